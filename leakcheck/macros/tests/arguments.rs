//! Arguments that are wrong are compile errors that say what is right.

#[test]
fn wrong_arguments_are_compile_errors_that_say_what_is_right() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
