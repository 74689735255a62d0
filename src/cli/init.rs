//! `kingtide init`: writes a project in which an editor with a Lua language server completes, shows documentation and flags
//! mistakes. The files that it writes are in `init/project/`; stubs and helpers are those that the binary itself uses.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use super::args::InitArgs;
use super::{Failure, terminal};
use crate::api::{KT_STUB, MODULES};
use crate::results::ExitCode;
use crate::script::{loader, testing};

/// One file: its path below the project, and its text.
type File = (PathBuf, String);

/// What a project has besides stubs.
const PROJECT: &[(&str, &str)] = &[
    ("scripts/load.lua", include_str!("init/project/scripts/load.lua")),
    ("scripts/orders.lua", include_str!("init/project/scripts/orders.lua")),
    (
        "scripts/orders.test.lua",
        include_str!("init/project/scripts/orders.test.lua"),
    ),
    ("data/customer-ids.json", include_str!("../../data/customer-ids.json")),
    ("data/product-ids.json", include_str!("../../data/product-ids.json")),
    (".luarc.json", include_str!("init/project/luarc.json")),
    (".emmyrc.json", include_str!("init/project/emmyrc.json")),
    ("stylua.toml", include_str!("init/project/stylua.toml")),
    (".gitignore", include_str!("init/project/gitignore")),
    (
        ".github/workflows/load.yml",
        include_str!("init/project/github/load.yml"),
    ),
    ("README.md", include_str!("init/project/readme.txt")),
];

/// The folders that belong to kingtide as a whole.
const STUBS: &str = ".kingtide/stubs";
const HELPERS: &str = ".kingtide/lib-lua";

pub(super) fn command(args: &InitArgs) -> Result<u8, Failure> {
    let failed = |error: anyhow::Error| Failure::new(ExitCode::Invalid, error);
    let stubs = stubs();
    if args.stubs {
        if !args.dir.join(".kingtide").is_dir() {
            let text = "there is no folder `.kingtide` in `{}`: `kingtide init` without --stubs makes the project";
            return Err(failed(anyhow!(text.replace("{}", &args.dir.display().to_string()))));
        }
        write(&args.dir, &stubs).map_err(failed)?;
        let removed = remove_others(&args.dir, &stubs).map_err(failed)?;
        terminal::out(&format!(
            "{} files in {} are those of kingtide {}{}\n",
            stubs.len(),
            args.dir.join(".kingtide").display(),
            env!("CARGO_PKG_VERSION"),
            if removed > 0 {
                format!("; outdated and removed: {removed}")
            } else {
                String::new()
            }
        ));
        return Ok(0);
    }
    let project: Vec<File> = PROJECT
        .iter()
        .map(|(path, text)| (PathBuf::from(path), versioned(text)))
        .chain(stubs)
        .collect();
    refuse(&args.dir, &project, args.force).map_err(failed)?;
    write(&args.dir, &project).map_err(failed)?;
    terminal::out(&welcome(&args.dir));
    Ok(0)
}

/// The stubs of all modules, and copies of the helpers.
fn stubs() -> Vec<File> {
    let stub = |name: &str, text: &str| (Path::new(STUBS).join(format!("{name}.d.lua")), text.to_owned());
    let modules = MODULES.iter().map(|module| stub(module.name, module.stub));
    let helpers = loader::library().map(|(name, text)| (Path::new(HELPERS).join(name), text));
    modules
        .chain([stub("kt", KT_STUB), stub("testing", testing::STUB)])
        .chain(helpers)
        .chain([(
            PathBuf::from(".kingtide/README.md"),
            versioned(include_str!("init/project/kingtide-readme.txt")),
        )])
        .collect()
}

fn versioned(text: &str) -> String {
    text.replace("@VERSION@", env!("CARGO_PKG_VERSION"))
}

/// Nothing is written when any file is in the way; a file with the same text is not.
fn refuse(folder: &Path, files: &[File], force: bool) -> anyhow::Result<()> {
    let mut there = Vec::new();
    for (path, text) in files {
        let target = folder.join(path);
        let Ok(found) = target.symlink_metadata() else { continue };
        let same = found.is_file() && std::fs::read(&target).is_ok_and(|known| known == text.as_bytes());
        // A link may lead out of the project, where nothing is kingtide's to write.
        if !(same || force && found.is_file()) {
            there.push(format!("  {}", target.display()));
        }
    }
    if there.is_empty() {
        return Ok(());
    }
    let hint = if force {
        "these are folders or links, which --force leaves alone too"
    } else {
        "choose another folder, or --force to overwrite these files and no others"
    };
    Err(anyhow!(
        "nothing was written, because these exist:\n{}\n{hint}",
        there.join("\n")
    ))
}

fn write(folder: &Path, files: &[File]) -> anyhow::Result<()> {
    for (path, text) in files {
        let target = folder.join(path);
        let parent = target.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create `{}`", parent.display()))?;
        std::fs::write(&target, text).with_context(|| format!("cannot write `{}`", target.display()))?;
    }
    Ok(())
}

/// Removes stubs and helpers that this version does not have any more, and gives their number.
fn remove_others(folder: &Path, files: &[File]) -> anyhow::Result<usize> {
    let mut removed = 0;
    for own in [STUBS, HELPERS] {
        let entries = std::fs::read_dir(folder.join(own)).with_context(|| format!("cannot read `{own}`"))?;
        for entry in entries.flatten() {
            let path = Path::new(own).join(entry.file_name());
            let lua = path.extension().is_some_and(|ending| ending == "lua");
            if lua && !files.iter().any(|(known, _)| *known == path) {
                std::fs::remove_file(entry.path()).with_context(|| format!("cannot remove `{}`", path.display()))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// What is there now, and what to do first.
fn welcome(folder: &Path) -> String {
    let (folder, enter) = if folder == Path::new(".") {
        (Path::new(""), String::new())
    } else {
        (folder, format!("  cd {}\n", folder.display()))
    };
    let files: String = PROJECT
        .iter()
        .map(|(path, _)| format!("  {}\n", folder.join(path).display()))
        .collect();
    format!(
        "{files}  {}\n\nnext\n{enter}  kingtide check scripts/load.lua\n  kingtide test --demo\n  \
         kingtide run scripts/load.lua --demo --once --trace-http\n  kingtide run scripts/load.lua --demo\n",
        folder.join(".kingtide/").display()
    )
}
