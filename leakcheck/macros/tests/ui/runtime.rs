use leakcheck::leakcheck;

#[leakcheck(flavor = "many_threads")]
async fn unknown_flavor() {}

#[leakcheck(flavor = multi_thread)]
async fn flavor_without_quotes() {}

#[leakcheck(worker_threads = 2)]
async fn worker_threads_of_a_current_thread_runtime() {}

#[leakcheck(flavor = "multi_thread", worker_threads = 0)]
async fn no_worker_threads() {}

#[leakcheck(flavor = "multi_thread", worker_threads = "two")]
async fn worker_threads_in_words() {}

#[leakcheck(flavor = "multi_thread", start_paused = true)]
async fn paused_with_many_threads() {}

#[leakcheck(start_paused = "yes")]
async fn paused_in_words() {}

#[leakcheck(start_paused, start_paused = false)]
async fn given_twice() {}

fn main() {}
