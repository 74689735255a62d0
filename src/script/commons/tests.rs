//! Counters, maps and once-values of many threads and tasks, in paused time where it matters.

use super::*;

fn text(text: &str) -> Stored {
    Stored::Text(text.as_bytes().into())
}

fn key(key: &str) -> Key {
    Key::Text(key.into())
}

#[test]
fn counters_lose_nothing_between_threads() {
    let commons = Commons::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let counter = commons.counter("a").unwrap();
                for _ in 0..1_000 {
                    counter.add(1.0).unwrap();
                }
            });
        }
    });
    let counter = commons.counter("a").unwrap();
    assert_eq!(counter.get(), 4_000.0);
    assert_eq!(counter.add(-0.5), Ok(3_999.5));
    assert_eq!(
        counter.add(f64::MAX).and_then(|_| counter.add(f64::MAX)),
        Err(CommonsError::Overflow)
    );
    assert_eq!(commons.counter("b").unwrap().get(), 0.0, "another name");
}

#[test]
fn maps_keep_values_by_key() {
    let commons = Commons::default();
    let map = commons.map("a").unwrap();
    assert_eq!(map.add(key("n"), 2.0), Ok(2.0));
    assert_eq!(map.add(key("n"), -3.0), Ok(-1.0));
    map.set(key("t"), text("x")).unwrap();
    map.set(Key::Number(7), Stored::Boolean(true)).unwrap();
    assert_eq!(map.add(key("t"), 1.0), Err(CommonsError::NotANumber));
    assert_eq!(map.add(key("n"), f64::INFINITY), Err(CommonsError::Overflow));
    assert_eq!(map.get(&key("7")), None, "a text is another key than a number");
    assert_eq!(map.keys(), [Key::Number(7), key("n"), key("t")]);
    assert_eq!(map.delete(&key("t")), Some(text("x")));
    assert_eq!((map.size(), map.get(&key("t"))), (2, None));
    assert_eq!(commons.map("b").unwrap().size(), 0, "another name");
}

#[test]
fn what_is_kept_is_bounded() {
    let map = Map::default();
    for number in 0..i64::try_from(MAX_KEYS).unwrap() {
        map.set(Key::Number(number), Stored::Boolean(true)).unwrap();
    }
    assert_eq!(map.set(Key::Number(-1), Stored::Boolean(true)), Err(CommonsError::Keys));
    assert_eq!(map.add(Key::Number(-1), 1.0), Err(CommonsError::Keys));
    assert_eq!(map.set(Key::Number(5), text("x")), Ok(()), "a key that is there");
    let commons = Commons::default();
    for number in 0..MAX_NAMES {
        commons.counter(&number.to_string()).unwrap();
    }
    assert_eq!(commons.counter("more").unwrap_err(), CommonsError::Names);
}

/// Asks for `a`; makes it, taking that long, when it is this one's turn. Gives whether it did, and the value.
async fn ask(commons: &Arc<Commons>, value: Option<&str>, takes: Duration) -> (bool, Option<Stored>) {
    match commons.once("a").await.unwrap() {
        Answer::Value(value) => (false, Some(value)),
        Answer::Turn(turn) => {
            clock::sleep(takes).await;
            if let Some(value) = value {
                turn.fulfil(text(value), Some(SECOND));
            }
            (true, None)
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn one_makes_the_value_for_all_until_it_expires() {
    let commons = Arc::new(Commons::default());
    let of = |value| ask(&commons, Some(value), SECOND);
    let (a, b, c) = tokio::join!(of("x"), of("y"), of("z"));
    assert_eq!(
        [a, b, c],
        [(true, None), (false, Some(text("x"))), (false, Some(text("x")))]
    );
    clock::sleep(SECOND - Duration::from_millis(1)).await;
    assert_eq!(of("y").await, (false, Some(text("x"))));
    clock::sleep(Duration::from_millis(1)).await;
    assert_eq!(of("y").await, (true, None), "it has expired");
    assert_eq!(of("z").await, (false, Some(text("y"))));
}

#[tokio::test(start_paused = true)]
async fn who_waits_takes_over_from_one_that_fails_or_is_interrupted() {
    let commons = Arc::new(Commons::default());
    let failing = ask(&commons, None, SECOND);
    let interrupted = clock::timeout(SECOND * 3 / 2, ask(&commons, Some("never"), SECOND));
    let left = clock::timeout(SECOND / 2, ask(&commons, Some("left"), SECOND));
    let last = ask(&commons, Some("x"), SECOND);
    let (a, b, c, d) = tokio::join!(failing, interrupted, left, last);
    assert_eq!((a, d), ((true, None), (true, None)));
    assert!(b.is_err() && c.is_err());
    assert_eq!(ask(&commons, None, SECOND).await, (false, Some(text("x"))));
}

#[tokio::test]
async fn expired_values_make_room() {
    let commons = Arc::new(Commons::default());
    for number in 0..MAX_KEYS {
        let once = Once {
            value: Some((Stored::Nil, Some(clock::now()))),
            ..Once::default()
        };
        lock(&commons.onces).insert(number.to_string(), once);
    }
    assert!(matches!(commons.once("one more").await, Ok(Answer::Turn(_))));
    assert_eq!(lock(&commons.onces).len(), 1);
}
