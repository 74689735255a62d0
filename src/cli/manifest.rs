//! `manifest.json` as `kingtide run` writes it: what was run, with which options and on which machine.

use serde_json::json;

use super::args::RunArgs;
use super::git;
use crate::clock;
use crate::results::{FileHash, Host, MANIFEST_SCHEMA, Manifest, timestamp};
use crate::run::{self, Test};

/// What is known before the load.
pub(super) fn of(args: &RunArgs, test: &Test, git: &git::Question) -> Manifest {
    let script = &args.script;
    let revision = test.session.revision();
    let content = revision
        .sources
        .read(&script.script)
        .map(|source| source.text.to_string())
        .unwrap_or_default();
    let script_hash =
        FileHash::of(&script.script).unwrap_or_else(|_| FileHash::of_content(&script.script, content.as_bytes()));
    let read = revision.sources.files();
    let modules = read
        .iter()
        .filter(|(file, stamp)| stamp.is_some() && **file != script.script);
    Manifest {
        schema: MANIFEST_SCHEMA.to_owned(),
        versions: [("kingtide".to_owned(), env!("CARGO_PKG_VERSION").to_owned())].into(),
        script: script_hash,
        modules: modules.filter_map(|(file, _)| FileHash::of(file).ok()).collect(),
        data: revision
            .data
            .files()
            .keys()
            .filter_map(|file| FileHash::of(file).ok())
            .collect(),
        options: json!({
            "scenarios": test.plan.scenarios,
            "selected": script.scenarios,
            "env": script.env.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "tags": test.plan.tags,
            "demo": script.demo,
            "watch": args.watch,
            "threads": args.threads.unwrap_or_else(run::default_threads),
            "allow_suspect": args.allow_suspect,
        }),
        seed: test.session.seed,
        host: Host::this(),
        started_at: timestamp(clock::wall()),
        ended_at: None,
        git: git.answer_so_far(),
    }
}
