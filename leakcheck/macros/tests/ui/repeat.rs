use leakcheck::leakcheck;

#[leakcheck(timeout = 30)]
async fn timeout_as_a_number() {}

#[leakcheck(timeout)]
async fn timeout_without_a_value() {}

#[leakcheck(timeout = "1s", timeout = "2s")]
async fn timeout_given_twice() {}

#[leakcheck(repeat = 0)]
async fn no_run_at_all() {}

#[leakcheck(repeat = "100")]
async fn repeat_in_words() {}

#[leakcheck(repeat)]
async fn repeat_without_a_value() {}

#[leakcheck(fail_fast)]
async fn fail_fast_without_repeat() {}

#[leakcheck(seed = "42")]
async fn seed_in_words() {}

#[leakcheck(threads = 2)]
async fn threads_as_a_number() {}

#[leakcheck(fds = "yes")]
async fn fds_in_words() {}

fn main() {}
