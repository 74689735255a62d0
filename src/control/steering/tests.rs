//! What is accepted and when it takes effect; what is refused and why.

use super::*;

fn steering(abilities: &[Abilities]) -> Steering {
    let mut steering = Steering::default();
    let scenario = |(index, abilities): (usize, &Abilities)| Steerable {
        name: format!("s{index}"),
        executor: "ramping-vus".to_owned(),
        abilities: *abilities,
        stages: vec!["up".to_owned(), "1".to_owned()],
    };
    steering.begin(clock::now(), abilities.iter().enumerate().map(scenario).collect());
    steering
}

const ALL: Abilities = Abilities {
    pause: true,
    rate: true,
    no_rate: None,
    max_vus: Some(50),
};

fn rate(scenario: &str, rate: f64) -> Command {
    Command::Rate {
        scenario: scenario.to_owned(),
        rate,
    }
}

fn vus(scenario: &str, vus: u64) -> Command {
    Command::Vus {
        scenario: scenario.to_owned(),
        vus,
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_takes_effect_at_one_later_instant_and_is_an_event() {
    let mut steering = steering(&[ALL, ALL]);
    let begun = clock::now();
    let first = steering.setpoints(0).unwrap();
    let second = steering.setpoints(1).unwrap();
    for command in [rate("s0", 5.5), Command::Pause, vus("s1", 7), Command::Resume] {
        steering.obey(&command).unwrap();
    }
    // Four commands at the same moment: (since after the lead in ns, paused, rate, vus).
    let shown = |receiver: &watch::Receiver<Vec<Setpoint>>| -> Vec<(u128, bool, Option<f64>, Option<u64>)> {
        let setpoints = receiver.borrow();
        let later = |since: Instant| (since - begun).as_nanos().saturating_sub(LEAD.as_nanos());
        setpoints
            .iter()
            .map(|s| (later(s.since), s.paused, s.rate, s.vus))
            .collect()
    };
    let of_first = [
        (0, false, None, None),
        (0, false, Some(5.5), None),
        (1, true, Some(5.5), None),
        (3, false, Some(5.5), None),
    ];
    assert_eq!(shown(&first), of_first);
    let of_second = [
        (0, false, None, None),
        (1, true, None, None),
        (2, true, None, Some(7)),
        (3, false, None, Some(7)),
    ];
    assert_eq!(shown(&second), of_second);
    let events: Vec<_> = steering
        .events()
        .iter()
        .map(|e| (e.what.as_str(), e.scenario.as_deref(), e.value))
        .collect();
    assert_eq!(
        events,
        [
            ("rate", Some("s0"), Some(5.5)),
            ("pause", None, None),
            ("vus", Some("s1"), Some(7.0)),
            ("resume", None, None)
        ]
    );
}

#[test]
fn what_is_refused_changes_nothing_and_says_why() {
    let unable = Abilities::default();
    let table = [
        (ALL, rate("nobody", 5.0), "no scenario `nobody`; the run has `s0`"),
        (ALL, rate("s0", 0.0), "above zero"),
        (ALL, rate("s0", -1.0), "above zero"),
        (ALL, rate("s0", f64::NAN), "above zero"),
        (ALL, rate("s0", 1e12), "at most"),
        (ALL, vus("s0", 51), "at most 50"),
        (ALL, vus("s0", 2_000_000), "at most 1000000"),
        (ALL, Command::Resume, "running already"),
        (unable, rate("s0", 5.0), "not supported by its executor (ramping-vus)"),
        (unable, vus("s0", 5), "not supported by its executor (ramping-vus)"),
        (unable, Command::Pause, "pausing is not supported"),
    ];
    for (abilities, command, part) in table {
        let mut steering = steering(&[abilities]);
        let message = steering.obey(&command).unwrap_err().to_string();
        assert!(message.contains(part), "{command:?}: {message}");
        assert!(steering.events().is_empty(), "{command:?}");
        assert_eq!(steering.setpoints(0).unwrap().borrow().len(), 1, "{command:?}");
    }
}

#[test]
fn a_rate_that_the_scenario_forbids_is_not_the_executors_fault() {
    let bunches = Abilities {
        rate: false,
        no_rate: Some("with `arrival = \"burst\"`"),
        ..ALL
    };
    let refused = steering(&[bunches]).obey(&rate("s0", 5.0)).unwrap_err().to_string();
    assert_eq!(
        refused,
        "scenario `s0`: another rate is not supported with `arrival = \"burst\"`"
    );
}

#[test]
fn what_is_over_is_not_steered_any_more() {
    let mut steering = steering(&[ALL, ALL]);
    steering.conclude(1);
    for command in [rate("s1", 5.0), vus("s1", 5)] {
        assert_eq!(
            steering.obey(&command),
            Err(Refused::Over("s1".to_owned())),
            "{command:?}"
        );
    }
    for command in [rate("s0", 5.0), vus("s0", 5), Command::Pause] {
        assert_eq!(steering.obey(&command), Ok(()), "{command:?}");
    }
    steering.conclude(0);
    steering.conclude(0);
    assert_eq!(steering.obey(&Command::Resume), Ok(()), "a pause ends");
    assert_eq!(steering.obey(&Command::Pause), Err(Refused::AllOver));
    assert_eq!(steering.obey(&Command::Stop), Ok(()));
}

#[test]
fn before_the_load_a_run_can_be_stopped_only_and_after_it_nothing() {
    let mut early = Steering::default();
    assert_eq!(early.obey(&Command::Pause), Err(Refused::NotBegun));
    assert_eq!(early.obey(&Command::Stop), Ok(()));
    let mut late = steering(&[ALL]);
    late.end();
    assert_eq!(late.obey(&Command::Pause), Err(Refused::Ending));
    assert_eq!(late.obey(&Command::Stop), Err(Refused::Ending));
}

#[tokio::test(start_paused = true)]
async fn an_edit_takes_effect_at_one_instant_and_is_newer_than_what_was_set() {
    let mut steering = steering(&[ALL, ALL, ALL]);
    let begun = clock::now();
    for command in [rate("s0", 5.5), vus("s0", 7), rate("s1", 4.0), vus("s1", 3)] {
        steering.obey(&command).unwrap();
    }
    let amendment = |scenario, rate, vus| Amendment {
        scenario,
        terms: 1,
        rate,
        vus,
        abilities: Abilities {
            max_vus: Some(9),
            ..ALL
        },
    };
    let mut told = None;
    let decide = |at, setpoints: &[Vec<Setpoint>]| {
        told = Some((at, setpoints.iter().map(Vec::len).collect::<Vec<_>>()));
        vec![amendment(0, true, false), amendment(1, false, true)]
    };
    steering.amend(decide).unwrap();
    let at = begun + LEAD + Duration::from_nanos(4);
    assert_eq!(told, Some((at, vec![3, 3, 1])));
    let newest = [0, 1, 2].map(|index| steering.setpoints(index).unwrap().borrow().last().copied().unwrap());
    let shown = newest.map(|s| (s.terms, s.rate, s.vus, s.since == at));
    let expected = [
        (1, None, Some(7), true),
        (1, Some(4.0), None, true),
        (0, None, None, false),
    ];
    assert_eq!(shown, expected);
    assert_eq!(steering.events().len(), 4, "edits are the run's to tell");
    assert!(steering.obey(&vus("s0", 10)).is_err(), "what it obeys has changed too");
    steering.end();
    assert_eq!(steering.amend(|_, _| panic!("not asked")), Err(Refused::Ending));
}

#[test]
fn stages_keep_their_numbers() {
    let mut steering = steering(&[ALL]);
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    // (stages of the edited plan, their numbers)
    let table = [
        (names(&["up", "1"]), vec![0, 1]),
        (names(&["up", "hold", "2"]), vec![0, 2, 3]),
        (names(&["hold", "up", "2", "up"]), vec![2, 0, 3, 0]),
    ];
    for (stages, numbers) in table {
        assert_eq!(steering.number_stages(0, &stages), numbers, "{stages:?}");
    }
    assert_eq!((steering.stage(0, 2), steering.stage(0, 9)), (Some("hold"), None));
    assert!(steering.number_stages(1, &names(&["up"])).is_empty());
}
