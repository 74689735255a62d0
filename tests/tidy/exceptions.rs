//! The one list of exceptions to the rules of this test, each with its reason. No rule hides exceptions of its own.

use crate::repo::Finding;

/// A finding that is let pass.
#[derive(Debug)]
pub struct Exception {
    /// The rule's name.
    pub rule: &'static str,
    /// The file, from the root of the repository.
    pub path: &'static str,
    /// What the finding is about (its `what`), or "" for all findings of the rule in that file.
    pub what: &'static str,
    /// Why the rule does not fit here.
    pub reason: &'static str,
}

impl Exception {
    /// Whether it lets a finding of a rule pass.
    pub fn covers(&self, rule: &str, finding: &Finding) -> bool {
        self.rule == rule && self.path == finding.path && (self.what.is_empty() || self.what == finding.what)
    }
}

/// The exceptions. One that is not needed any more fails the test.
pub const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: "unsafe",
        path: "src/script/raw/coroutine.rs",
        what: "",
        reason: "the audited module: values go straight between the VM's stack and ours, each block with its reason",
    },
    Exception {
        rule: "unsafe",
        path: "src/script/raw/function.rs",
        what: "",
        reason: "the audited module: values go straight between the VM's stack and ours, each block with its reason",
    },
    Exception {
        rule: "unsafe",
        path: "src/script/raw/interrupt.rs",
        what: "",
        reason: "the audited module: values go straight between the VM's stack and ours, each block with its reason",
    },
    Exception {
        rule: "unsafe",
        path: "src/script/raw/memory.rs",
        what: "",
        reason: "the audited module: an option of the allocator, whose C interface is the only way to it",
    },
    Exception {
        rule: "unsafe",
        path: "src/script/raw/near.rs",
        what: "",
        reason: "the audited module: the processor's prefetch, and where the VM keeps a coroutine's stack",
    },
    Exception {
        rule: "unsafe",
        path: "src/script/raw/stack.rs",
        what: "",
        reason: "the audited module: values go straight between the VM's stack and ours, each block with its reason",
    },
    Exception {
        rule: "api-files",
        path: "src/api/answers.d.lua",
        what: "",
        reason: "what the answers of `http` and of `grpc` have in common; the tests of both modules hold it",
    },
    Exception {
        rule: "api-files",
        path: "src/api/answers.test.lua",
        what: "",
        reason: "what the answers of `http` and of `grpc` have in common; the tests of both modules hold it",
    },
    Exception {
        rule: "api-files",
        path: "src/api/pairs.d.lua",
        what: "",
        reason: "a helper of `http`, `grpc` and `check`, whose tests hold it",
    },
    Exception {
        rule: "api-files",
        path: "src/api/pairs.test.lua",
        what: "",
        reason: "a helper of `http`, `grpc` and `check`, whose tests hold it",
    },
    Exception {
        rule: "api-files",
        path: "src/api/pool.d.lua",
        what: "missing",
        reason: "pool.rs is a part of data.rs, and in data.d.lua; a folder `data` here would be taken for a project's data",
    },
    Exception {
        rule: "api-files",
        path: "src/api/pool.test.lua",
        what: "missing",
        reason: "pool.rs is a part of data.rs, and tested in data.test.lua",
    },
];

#[test]
fn an_exception_covers_its_rule_file_and_subject_only() {
    let exception = Exception {
        rule: "words",
        path: "docs/a.md",
        what: "left over",
        reason: "a sample",
    };
    // rule, path, what, covered
    let table = [
        ("words", "docs/a.md", "left over", true),
        ("words", "docs/a.md", "other", false),
        ("words", "docs/b.md", "left over", false),
        ("links", "docs/a.md", "left over", false),
    ];
    for (rule, path, what, covered) in table {
        let finding = Finding::new(path, 1, what, "");
        assert_eq!(exception.covers(rule, &finding), covered, "{rule} {path} {what}");
    }
}
