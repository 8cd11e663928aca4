use leakcheck::leakcheck;

#[leakcheck(start_paused)]
#[test]
fn runtime_argument_on_a_plain_test() {}

#[tokio::test]
#[leakcheck(flavor = "multi_thread")]
async fn runtime_argument_behind_a_tokio_test() {}

#[leakcheck]
#[tokio::test(unhandled_panic = "shutdown_runtime")]
async fn argument_that_cannot_be_taken_over() {}

#[leakcheck(flavor = "multi_thread")]
#[tokio::test(flavor = "multi_thread")]
async fn given_to_both() {}

#[leakcheck]
#[tokio::test]
#[test]
async fn two_tests() {}

#[leakcheck]
#[other::test]
async fn a_test_of_another_kind() {}

fn main() {}
