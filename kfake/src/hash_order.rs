//! The order of Java's hash maps. Which of several errors an answer names is decided by it where Apache Kafka keeps what a request
//! says in a `HashMap`.

/// Names that are all different, in the order in which a `java.util.HashMap` goes through them after they were put into it one by
/// one.
pub(crate) fn hash_map_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    hash_map_order_by(names, |name| name)
}

/// The same of what has such names.
pub(crate) fn hash_map_order_by<T>(all: impl Iterator<Item = T>, name: impl Fn(&T) -> &str) -> Vec<T> {
    ordered(all.collect(), name, 16)
}

/// The same of a `new HashMap<>(n)` where `n` is how many there are.
pub(crate) fn sized_hash_map_order_by<T>(all: impl Iterator<Item = T>, name: impl Fn(&T) -> &str) -> Vec<T> {
    let all: Vec<T> = all.collect();
    let least = u32::try_from(all.len()).unwrap_or(u32::MAX / 4).max(1);
    ordered(all, name, least.next_power_of_two())
}

fn ordered<T>(mut all: Vec<T>, name: impl Fn(&T) -> &str, least: u32) -> Vec<T> {
    let mask = table_size(all.len(), least) - 1;
    // Within a bucket the first comes first, and a larger table keeps that.
    all.sort_by_key(|one| spread(name(one)) & mask);
    all
}

/// The smallest power of two, from `least` on, of which three quarters are enough.
fn table_size(names: usize, least: u32) -> u32 {
    let mut size = least;
    while names * 4 > size as usize * 3 && size < 1 << 30 {
        size *= 2;
    }
    size
}

/// `HashMap.hash` of `String.hashCode`.
fn spread(name: &str) -> u32 {
    let hash = name
        .encode_utf16()
        .fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    // What `new HashMap<>()` of Java 21 printed.
    #[test]
    fn names_come_as_in_java() {
        let order = |names: &[&'static str]| hash_map_order(names.iter().copied());
        assert_eq!(
            order(&["min.insync.replicas", "message.format.version"]),
            ["message.format.version", "min.insync.replicas"]
        );
        assert_eq!(
            order(&["retention.ms", "cleanup.policy", "segment.bytes"]),
            ["cleanup.policy", "retention.ms", "segment.bytes"]
        );
        let letters = [
            "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "ä",
        ];
        assert_eq!(order(&letters)[..6], ["a", "b", "c", "d", "ä", "e"]);
        let parts = ["client-id", "", "ip", "user", "other"];
        let sized = sized_hash_map_order_by(parts.into_iter(), |part| part);
        assert_eq!(sized, ["", "other", "client-id", "user", "ip"]);
    }
}
