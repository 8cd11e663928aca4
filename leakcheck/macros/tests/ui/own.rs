use leakcheck::leakcheck;

#[leakcheck(patience = "2s")]
async fn unknown_argument() {}

#[leakcheck(grace = "2")]
async fn grace_without_a_unit() {}

#[leakcheck(grace = 2)]
async fn grace_as_a_number() {}

#[leakcheck(grace)]
async fn grace_without_a_value() {}

fn main() {}
