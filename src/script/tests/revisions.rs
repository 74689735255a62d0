//! Virtual users that go over to an edited script.

use std::time::Duration;

use super::*;
use crate::script::Revision;

/// Saves `main` and makes it the newest revision, as a reload does.
async fn save(bed: &Bed, main: &str) {
    std::fs::write(bed.folder.path().join("main.lua"), main).unwrap();
    let revision = Arc::new(bed.session.revision().next());
    let context = VuContext::new(&bed.host, 0, None);
    context.follow(&revision).unwrap();
    let loaded = load(&context).await.unwrap();
    let plan = plan_reader::read(&loaded, &bed.session, &Overrides::default()).unwrap();
    revision.set_plan(Arc::new(plan));
    bed.session.adopt(revision);
}

fn script(version: u32) -> String {
    format!(
        "local kt = require 'kt'
local pool = kt.data.pool {{ name = 'accounts', rows = {{ 'a', 'b', 'c' }} }}
local mine
globals = (globals or 0) + {version}
return {{
  scenarios = {{ only = {{ executor = 'constant-vus', vus = 2, duration = '1m', exec = function()
    kt.fail('version {version}, globals ' .. globals .. ', ' .. mine .. ', free ' .. pool:free())
  end }} }},
  vu_init = function() mine = pool:claim() end,
}}"
    )
}

#[tokio::test]
async fn between_two_iterations_with_fresh_globals_and_what_vu_init_claims() {
    let bed = Bed::new(&script(1)).await;
    let (mut one, mut two) = (bed.vu(1).await, bed.vu(2).await);
    assert_eq!(one.ready().await.took, Duration::ZERO, "nothing has changed");
    iterate(&mut one, 0).await;
    save(&bed, &script(2)).await;
    // Until it is ready for its next iteration it runs what it began with.
    iterate(&mut one, 1).await;
    assert_eq!(one.ready().await.revision, bed.session.newest());
    iterate(&mut one, 2).await;
    two.ready().await;
    iterate(&mut two, 3).await;
    let reasons = bed.reasons();
    // Who lets go of a row gets the one that has been free longest.
    let expected = [
        "version 1, globals 1, a, free 1",
        "version 2, globals 2, c, free 1",
        "version 2, globals 2, a, free 1",
    ];
    assert_eq!(reasons, expected);
    let counts: Vec<_> = bed.session.failures.all().0.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [2, 1, 1]);
}

#[tokio::test]
async fn data_files_that_nobody_touched_are_not_read_again_and_cursors_go_on() {
    let main = "local kt = require 'kt'
local rows, built = kt.data.array 'rows.json', kt.data.array('built', function() return { 10, 20, 30 } end)
return function() kt.fail(rows:next() .. ' ' .. built:next()) end";
    let bed = Bed::with(&[("main.lua", main), ("rows.json", "[1,2,3]")], Limits::default()).await;
    let mut vu = bed.vu(1).await;
    let set = |bed: &Bed| {
        let path = bed.folder.path().join("rows.json");
        bed.session.revision().data.file(&path).unwrap()
    };
    let first = set(&bed);
    iterate(&mut vu, 0).await;
    save(&bed, &format!("{main} -- edited")).await;
    assert!(Arc::ptr_eq(&first, &set(&bed)), "as it was");
    vu.ready().await;
    iterate(&mut vu, 1).await;
    std::fs::write(bed.folder.path().join("rows.json"), "[1,2,33,4]").unwrap();
    save(&bed, main).await;
    assert!(!Arc::ptr_eq(&first, &set(&bed)));
    vu.ready().await;
    iterate(&mut vu, 2).await;
    assert_eq!(bed.reasons(), ["1 10", "2 20", "33 30"]);
}

#[test]
fn a_revision_is_known_by_what_it_read() {
    let folder = tempfile::tempdir().unwrap();
    let (script, data) = (folder.path().join("main.lua"), folder.path().join("rows.json"));
    std::fs::write(&script, "return 1").unwrap();
    std::fs::write(&data, "[1]").unwrap();
    let read = |revision: &Revision| {
        revision.sources.read(&script).unwrap();
        revision.data.file(&data).unwrap();
        revision.hash()
    };
    let first = Revision::first(&script, true);
    let hash = read(&first);
    assert_eq!(read(&first.next()), hash, "the same again");
    std::fs::write(&data, "[2]").unwrap();
    let second = first.next();
    assert_ne!(read(&second), hash);
    assert_eq!((first.number, second.number), (1, 2));
    assert_eq!(second.files().len(), 2);
    assert!(second.find_data("rows.csv").is_err());
    assert!(
        second.files().contains_key(&folder.path().join("rows.csv")),
        "it would be read if it were there"
    );
}

#[tokio::test]
async fn a_virtual_machine_that_nobody_uses_is_gone() {
    let bed = Bed::new(&script(1)).await;
    let vu = bed.vu(1).await;
    let host = Rc::downgrade(&bed.host);
    drop((vu, bed));
    assert_eq!(host.strong_count(), 0);
}

#[tokio::test]
async fn what_an_edit_has_replaced_is_given_back() {
    let main = "local big = {} for i = 1, 1000 do big[i] = i end return function() return big end";
    let bed = Bed::new(main).await;
    let mut vus = Vec::new();
    for id in 1..=50 {
        vus.push(bed.vu(id).await);
    }
    let mut used = Vec::new();
    for edit in 0..20 {
        save(&bed, &format!("{main} -- {edit}")).await;
        for vu in &mut vus {
            vu.ready().await;
        }
        // What the first collection ends is gone with the second.
        bed.host.lua.gc_collect().unwrap();
        bed.host.lua.gc_collect().unwrap();
        used.push(bed.host.lua.used_memory());
    }
    assert!(used[19] < used[0] + used[0] / 10, "{used:?}");
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_hangs_is_left_for_the_next_one() {
    let main = |version: u32, wait: &str| {
        format!(
            "local kt = require 'kt'
local pool = kt.data.pool {{ name = 'accounts', rows = {{ 'a', 'b' }} }}
return {{
  scenarios = {{ only = {{ executor = 'constant-vus', duration = '1m', exec = function()
    kt.fail('version {version}, free ' .. pool:free())
  end }} }},
  vu_init = function() pool:claim() kt.sleep '{wait}' end,
}}"
        )
    };
    let bed = Bed::new(&main(1, "0s")).await;
    let mut vu = bed.vu(1).await;
    save(&bed, &main(2, "1h")).await;
    let edit = async {
        crate::clock::sleep(Duration::from_secs(60)).await;
        save(&bed, &main(3, "1s")).await;
    };
    let (ready, ()) = tokio::join!(vu.ready(), edit);
    assert_eq!(ready.revision, bed.session.newest());
    assert_eq!(ready.took, Duration::from_secs(61));
    assert_eq!(vu.init_took(), Duration::from_secs(1));
    iterate(&mut vu, 0).await;
    assert_eq!(
        bed.reasons(),
        ["version 3, free 1"],
        "what the one that hung had claimed is back"
    );
    assert_eq!(bed.session.never_ready(), 0);
    save(&bed, &main(4, "1h")).await;
    let cut_off = crate::clock::timeout(Duration::from_secs(60), vu.ready()).await;
    assert!(cut_off.is_err());
    assert_eq!(bed.session.never_ready(), 1);
}
