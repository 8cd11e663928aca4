//! Durations as people write them.

use std::time::Duration;

/// Reads `500ms`, `2s`, `1.5s`, `1m`.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = text.split_at(unit_at);
    let seconds_per_unit = match unit.trim_start() {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds_per_unit).ok()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, millis) in [
            ("500ms", Some(500)),
            ("2s", Some(2_000)),
            ("2 s", Some(2_000)),
            ("1.5s", Some(1_500)),
            ("1m", Some(60_000)),
            ("2", None),
            ("s", None),
            ("", None),
            ("-1s", None),
            ("2h", None),
            ("1.2.3s", None),
        ] {
            assert_eq!(parse(text).map(|duration| duration.as_millis()), millis, "{text}");
        }
    }
}
