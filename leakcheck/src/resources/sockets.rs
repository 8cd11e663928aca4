//! What the kernel tells of sockets, by their inodes.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::report::ResourceKind;

/// Each socket's kind and description.
pub(super) type Sockets = HashMap<u64, (ResourceKind, String)>;

/// The state of a TCP socket that listens.
const LISTEN: &str = "0A";

/// The flag of a unix socket that listens.
const ACCEPTS: u32 = 0x1_0000;

/// Every socket of this process's network namespace.
pub(super) fn read() -> Sockets {
    let mut sockets = Sockets::new();
    for (table, read) in [
        ("tcp", tcp as fn(&str) -> Option<(u64, String)>),
        ("tcp6", tcp),
        ("udp", udp),
        ("udp6", udp),
        ("unix", unix),
    ] {
        let kind = match table {
            "unix" => ResourceKind::Unix,
            _ if table.starts_with("tcp") => ResourceKind::Tcp,
            _ => ResourceKind::Udp,
        };
        // A kernel without that protocol has no such table.
        let text = fs::read_to_string(format!("/proc/self/net/{table}")).unwrap_or_default();
        let lines = text.lines().skip(1).filter_map(read);
        sockets.extend(lines.map(|(inode, description)| (inode, (kind, description))));
    }
    sockets
}

/// `0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 …`
fn tcp(line: &str) -> Option<(u64, String)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (here, there) = (address(fields.get(1)?)?, address(fields.get(2)?)?);
    let description = match *fields.get(3)? {
        LISTEN => format!("TCP listening on {here}"),
        _ if there.port() == 0 => format!("TCP {here}"),
        _ => format!("TCP {here} → {there}"),
    };
    Some((fields.get(9)?.parse().ok()?, description))
}

fn udp(line: &str) -> Option<(u64, String)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (here, there) = (address(fields.get(1)?)?, address(fields.get(2)?)?);
    let description = match there.port() {
        0 => format!("UDP {here}"),
        _ => format!("UDP {here} → {there}"),
    };
    Some((fields.get(9)?.parse().ok()?, description))
}

/// `0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/a socket`
fn unix(line: &str) -> Option<(u64, String)> {
    let mut rest = line;
    let mut field = || {
        let (field, behind) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
        rest = behind;
        field
    };
    let (_address, _references, _protocol) = (field(), field(), field());
    let flags = u32::from_str_radix(field(), 16).ok()?;
    let (_kind, _state) = (field(), field());
    let inode = field().parse().ok()?;
    let path = match rest.trim() {
        "" => "without a name",
        path => path,
    };
    let description = match flags & ACCEPTS {
        0 => format!("unix socket {path}"),
        _ => format!("unix socket listening on {path}"),
    };
    Some((inode, description))
}

/// `0100007F:2384`: words of 32 bits in the machine's own byte order, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match ip.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            IpAddr::from(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    #[test]
    fn a_tables_line_is_read() {
        for (read, line, expected) in [
            (
                tcp as fn(&str) -> Option<(u64, String)>,
                "   0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0",
                "TCP listening on 127.0.0.1:9092",
            ),
            (
                tcp,
                "   1: 0100007F:0005 0100007F:0006 01 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 20 4 30 10 -1",
                "TCP 127.0.0.1:5 → 127.0.0.1:6",
            ),
            (
                tcp,
                "   1: 00000000000000000000000001000000:0005 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 20 4 30 10 -1",
                "TCP listening on [::1]:5",
            ),
            (
                udp,
                "  43: 0100007F:0005 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12345 2 0 0",
                "UDP 127.0.0.1:5",
            ),
            (
                unix,
                "0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/a b",
                "unix socket listening on /run/a b",
            ),
            (
                unix,
                "0000000000000000: 00000003 00000000 00000000 0001 03 12345",
                "unix socket without a name",
            ),
        ] {
            assert_eq!(read(line), Some((12345, expected.to_owned())), "{line}");
        }
        assert_eq!(tcp("nonsense"), None);
    }
}
