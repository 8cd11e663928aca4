//! The order of Java's hash maps. Which of several errors an answer names is decided by it where Apache Kafka keeps what a request
//! says in a `HashMap`.

/// Names that are all different, in the order in which a `java.util.HashMap` goes through them after they were put into it one by
/// one.
pub(crate) fn hash_map_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.collect();
    let mask = table_size(names.len()) - 1;
    // Within a bucket the first comes first, and a larger table keeps that.
    names.sort_by_key(|name| spread(name) & mask);
    names
}

/// The smallest power of two, from 16 on, of which three quarters are enough.
fn table_size(names: usize) -> u32 {
    let mut size: u32 = 16;
    while names > (size as usize / 4) * 3 && size < 1 << 30 {
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
    }
}
