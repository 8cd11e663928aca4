use leakcheck::leakcheck;

#[leakcheck]
fn no_test() {}

#[leakcheck]
async fn with_an_argument(number: u32) {}

#[leakcheck]
async fn with_a_parameter<T>() {}

#[leakcheck]
struct NoFunction;

fn main() {}
