//! Outputs of `cargo test` as they really look, and what must be read from them.

use super::*;

const MESSAGES: &str = r#"
{"reason":"compiler-artifact","package_id":"path+file:///r/crates/wire#rescind-wire@0.1.0","target":{"kind":["lib"],"name":"rescind_wire"},"profile":{"test":true},"executable":"/r/target/debug/deps/rescind_wire-1"}
{"reason":"compiler-artifact","package_id":"path+file:///r/crates/wire#rescind-wire@0.1.0","target":{"kind":["test"],"name":"attacks"},"profile":{"test":true},"executable":"/r/target/debug/deps/attacks-2"}
{"reason":"compiler-artifact","package_id":"path+file:///r/crates/server#rescind-server@0.1.0","target":{"kind":["bin"],"name":"rescind"},"profile":{"test":true},"executable":"/r/target/debug/deps/rescind-3"}
{"reason":"compiler-artifact","package_id":"path+file:///r/crates/server#rescind-server@0.1.0","target":{"kind":["bin"],"name":"rescind"},"profile":{"test":false},"executable":"/r/target/debug/rescind"}
{"reason":"compiler-artifact","package_id":"registry+x#serde@1.0.0","target":{"kind":["lib"],"name":"serde"},"profile":{"test":false},"executable":null}
{"reason":"build-finished","success":true}
"#;

fn read(output: &str) -> Tests {
    let packages = [
        ("path+file:///r/crates/wire#rescind-wire@0.1.0", "rescind-wire"),
        ("path+file:///r/crates/server#rescind-server@0.1.0", "rescind-server"),
    ];
    let packages = packages.map(|(id, name)| (id.to_owned(), name.to_owned())).into();
    let mut reader = Reader::new(Binaries::read(Path::new("/r"), &packages, MESSAGES));
    output.lines().for_each(|line| reader.line(line));
    reader.finish()
}

#[test]
fn ids_name_package_target_and_path() {
    let tests = read(
        "
     Running unittests src/lib.rs (target/debug/deps/rescind_wire-1)

running 2 tests
test token::tests::expired_is_refused ... ok
test token::tests::overflow - should panic ... ok

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/attacks.rs (/r/target/debug/deps/attacks-2)

running 1 test
test alg_none_is_refused ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running unittests src/main.rs (target/debug/deps/rescind-3)

running 1 test
test help ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests rescind_wire

running 1 test
test crates/wire/src/lib.rs - b64 (line 3) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
",
    );
    assert_eq!(tests.problems, [""; 0]);
    let ids: Vec<_> = tests.ids(Verdict::Passed).collect();
    assert_eq!(
        ids,
        [
            "rescind-server::bin-rescind::help",
            "rescind-wire::attacks::alg_none_is_refused",
            "rescind-wire::doc::crates/wire/src/lib.rs - b64 (line 3)",
            "rescind-wire::lib::token::tests::expired_is_refused",
            "rescind-wire::lib::token::tests::overflow",
        ]
    );
}

#[test]
fn failed_and_ignored_tests_are_kept_and_replayed_output_is_not_read() {
    let tests = read(
        "
     Running tests/attacks.rs (target/debug/deps/attacks-2)

running 3 tests
test a ... FAILED
test b ... ignored, needs the moon
test c ... ok

failures:

---- a stdout ----
test never_ran ... ok
thread 'a' panicked at crates/wire/tests/attacks.rs:3:5:

failures:
    a

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

error: test failed, to rerun pass `-p rescind-wire --test attacks`
",
    );
    assert_eq!(tests.problems, [""; 0]);
    assert_eq!(tests.ids(Verdict::Failed).collect::<Vec<_>>(), ["rescind-wire::attacks::a"]);
    assert_eq!(tests.ids(Verdict::Ignored).collect::<Vec<_>>(), ["rescind-wire::attacks::b"]);
    assert_eq!(tests.ids(Verdict::Passed).collect::<Vec<_>>(), ["rescind-wire::attacks::c"]);
}

#[test]
fn a_name_printed_before_the_test_ran_gets_its_result_later() {
    let tests = read(
        "
     Running tests/attacks.rs (target/debug/deps/attacks-2)
test slow ... a line of some child process
ok
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
",
    );
    assert_eq!(tests.problems, [""; 0]);
    assert_eq!(tests.passed(), 1);
}

#[test]
fn a_lost_line_is_a_problem() {
    let tests = read(
        "
     Running tests/attacks.rs (target/debug/deps/attacks-2)
output of a child process test a ... ok
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
",
    );
    assert_eq!(tests.problems.len(), 1, "{:?}", tests.problems);
}

#[test]
fn a_binary_that_dies_is_a_problem() {
    let tests = read(
        "
     Running tests/attacks.rs (target/debug/deps/attacks-2)
test a ... ok
",
    );
    assert_eq!(tests.problems, ["rescind-wire::attacks ended without its totals"]);
}

#[test]
fn an_unknown_heading_is_a_problem_and_its_results_belong_to_nobody() {
    let tests = read(
        "
     Running tests/other.rs (target/debug/deps/other-9)
test a ... ok
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
",
    );
    assert_eq!(tests.problems.len(), 1);
    assert_eq!(tests.passed(), 0);
}

#[test]
fn of_two_results_for_one_id_the_worse_one_stays() {
    let tests = read(
        "
     Running tests/attacks.rs (target/debug/deps/attacks-2)
test a ... FAILED
test a ... ok
test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
",
    );
    assert_eq!(tests.failed(), 1);
    assert_eq!(tests.passed(), 0);
}
