//! How the fields of our own messages go over the wire.

use anyhow::{Result, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{BrokerId, GroupId, ProducerId, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use uuid::Uuid;

/// Versions, as a range that may be empty.
pub(super) type Versions = RangeInclusive<i16>;

/// No version at all.
#[expect(clippy::reversed_empty_ranges, reason = "it is meant to be empty")]
pub(super) const NEVER: Versions = 1..=0;

/// What a message's definition says of a field.
pub(super) struct Spec {
    pub name: &'static str,
    /// The versions that have it.
    pub versions: Versions,
    /// The versions in which it may be null.
    pub nullable: Versions,
    /// Its tag: then it is in the tagged fields of every version that has it.
    pub tag: Option<u32>,
    /// In versions without it, a value that is not the default is left out, and is no error.
    pub ignorable: bool,
}

/// How a value is written in one version.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub version: i16,
    /// Lengths are variable-length numbers, and structs end with tagged fields (KIP-482).
    pub flexible: bool,
    pub nullable: bool,
}

/// A value as it goes over the wire.
pub(super) trait Wire: Sized {
    fn put<B: ByteBufMut>(&self, buf: &mut B, form: Form) -> Result<()>;
    fn take<B: ByteBuf>(buf: &mut B, form: Form) -> Result<Self>;
}

macro_rules! numbers {
    ($($type:ty: $put:ident $take:ident;)*) => {$(
        impl Wire for $type {
            fn put<B: ByteBufMut>(&self, buf: &mut B, _form: Form) -> Result<()> {
                buf.$put(*self);
                Ok(())
            }

            fn take<B: ByteBuf>(buf: &mut B, _form: Form) -> Result<Self> {
                Ok(buf.$take()?)
            }
        }
    )*};
}

numbers! {
    i8: put_i8 try_get_i8;
    i16: put_i16 try_get_i16;
    i32: put_i32 try_get_i32;
    i64: put_i64 try_get_i64;
}

macro_rules! newtypes {
    ($($type:ident($inner:ty);)*) => {$(
        impl Wire for $type {
            fn put<B: ByteBufMut>(&self, buf: &mut B, form: Form) -> Result<()> {
                self.0.put(buf, form)
            }

            fn take<B: ByteBuf>(buf: &mut B, form: Form) -> Result<Self> {
                <$inner>::take(buf, form).map(Self)
            }
        }

        impl Nullable for $type {}
    )*};
}

newtypes! {
    BrokerId(i32);
    GroupId(StrBytes);
    ProducerId(i64);
    TopicName(StrBytes);
    TransactionalId(StrBytes);
}

impl Wire for bool {
    fn put<B: ByteBufMut>(&self, buf: &mut B, _form: Form) -> Result<()> {
        buf.put_u8(u8::from(*self));
        Ok(())
    }

    fn take<B: ByteBuf>(buf: &mut B, _form: Form) -> Result<Self> {
        Ok(buf.try_get_u8()? != 0)
    }
}

impl Wire for Uuid {
    fn put<B: ByteBufMut>(&self, buf: &mut B, _form: Form) -> Result<()> {
        buf.put_slice(self.as_bytes());
        Ok(())
    }

    fn take<B: ByteBuf>(buf: &mut B, _form: Form) -> Result<Self> {
        Ok(Self::from_u128(buf.try_get_u128()?))
    }
}

impl Wire for StrBytes {
    fn put<B: ByteBufMut>(&self, buf: &mut B, form: Form) -> Result<()> {
        match form.flexible {
            true => put_length(buf, Some(self.len()))?,
            false => buf.put_i16(i16::try_from(self.len())?),
        }
        buf.put_slice(self.as_bytes());
        Ok(())
    }

    fn take<B: ByteBuf>(buf: &mut B, form: Form) -> Result<Self> {
        let length = match form.flexible {
            true => take_length(buf)?,
            false => usize::try_from(buf.try_get_i16()?).ok(),
        };
        let Some(length) = length else {
            bail!("null where there is none");
        };
        Ok(Self::from_utf8(buf.try_get_bytes(length)?)?)
    }
}

/// What can be null and looks like a string then.
trait Nullable: Wire {}

impl Nullable for StrBytes {}

impl<T: Nullable> Wire for Option<T> {
    fn put<B: ByteBufMut>(&self, buf: &mut B, form: Form) -> Result<()> {
        match self {
            Some(value) => value.put(buf, form),
            None => {
                ensure!(form.nullable, "null where there is none");
                match form.flexible {
                    true => put_length(buf, None)?,
                    false => buf.put_i16(-1),
                }
                Ok(())
            }
        }
    }

    fn take<B: ByteBuf>(buf: &mut B, form: Form) -> Result<Self> {
        // Null is 0 in one byte, or -1 in two.
        let null: &[u8] = if form.flexible { &[0] } else { &[0xff, 0xff] };
        if form.nullable && buf.remaining() >= null.len() && buf.peek_bytes(0..null.len()) == null {
            buf.advance(null.len());
            return Ok(None);
        }
        T::take(buf, form).map(Some)
    }
}

fn put_array<T: Wire, B: ByteBufMut>(items: Option<&[T]>, buf: &mut B, form: Form) -> Result<()> {
    match form.flexible {
        true => put_length(buf, items.map(<[T]>::len))?,
        false => buf.put_i32(items.map_or(Ok(-1), |items| i32::try_from(items.len()))?),
    }
    for item in items.unwrap_or_default() {
        item.put(
            buf,
            Form {
                nullable: false,
                ..form
            },
        )?;
    }
    Ok(())
}

fn take_array<T: Wire, B: ByteBuf>(buf: &mut B, form: Form) -> Result<Option<Vec<T>>> {
    let length = match form.flexible {
        true => take_length(buf)?,
        false => usize::try_from(buf.try_get_i32()?).ok(),
    };
    let Some(length) = length else { return Ok(None) };
    // Each item takes a byte at least: what the length claims beyond them is not there.
    ensure!(
        length <= buf.remaining(),
        "an array of {length} in {} bytes",
        buf.remaining()
    );
    let mut items = Vec::new();
    for _ in 0..length {
        items.push(T::take(
            buf,
            Form {
                nullable: false,
                ..form
            },
        )?);
    }
    Ok(Some(items))
}

impl<T: Wire> Wire for Vec<T> {
    fn put<B: ByteBufMut>(&self, buf: &mut B, form: Form) -> Result<()> {
        put_array(Some(self), buf, form)
    }

    fn take<B: ByteBuf>(buf: &mut B, form: Form) -> Result<Self> {
        match take_array(buf, form)? {
            Some(items) => Ok(items),
            None => bail!("null where there is none"),
        }
    }
}

impl<T: Wire> Wire for Option<Vec<T>> {
    fn put<B: ByteBufMut>(&self, buf: &mut B, form: Form) -> Result<()> {
        ensure!(self.is_some() || form.nullable, "null where there is none");
        put_array(self.as_deref(), buf, form)
    }

    fn take<B: ByteBuf>(buf: &mut B, form: Form) -> Result<Self> {
        let items = take_array(buf, form)?;
        ensure!(items.is_some() || form.nullable, "null where there is none");
        Ok(items)
    }
}

/// Writes a field where it has its place, or keeps it for the tagged fields.
pub(super) fn put_field<T: Wire + PartialEq, B: ByteBufMut>(
    buf: &mut B,
    form: Form,
    spec: &Spec,
    value: &T,
    default: &T,
    tagged: &mut BTreeMap<u32, Bytes>,
) -> Result<()> {
    let form = Form {
        nullable: spec.nullable.contains(&form.version),
        ..form
    };
    if !spec.versions.contains(&form.version) {
        ensure!(
            spec.ignorable || value == default,
            "{} is not in version {}",
            spec.name,
            form.version
        );
        return Ok(());
    }
    match spec.tag {
        None => value.put(buf, form),
        Some(_) if value == default => Ok(()),
        Some(tag) => {
            let mut bytes = BytesMut::new();
            value.put(&mut bytes, form)?;
            tagged.insert(tag, bytes.freeze());
            Ok(())
        }
    }
}

/// Reads a field that has a place of its own; `None` in versions without it, and where it is tagged.
pub(super) fn take_field<T: Wire, B: ByteBuf>(buf: &mut B, form: Form, spec: &Spec) -> Result<Option<T>> {
    if spec.tag.is_some() || !spec.versions.contains(&form.version) {
        return Ok(None);
    }
    let nullable = spec.nullable.contains(&form.version);
    T::take(buf, Form { nullable, ..form }).map(Some)
}

/// Reads a tagged field's value.
pub(super) fn take_tagged<T: Wire>(mut bytes: Bytes, form: Form, spec: &Spec) -> Result<T> {
    let nullable = spec.nullable.contains(&form.version);
    let value = T::take(&mut bytes, Form { nullable, ..form })?;
    ensure!(
        bytes.is_empty(),
        "the tagged field {} is longer than its value",
        spec.name
    );
    Ok(value)
}

/// Writes a struct's tagged fields, known and unknown, in the order of their tags.
pub(super) fn put_tags<B: ByteBufMut>(
    buf: &mut B,
    form: Form,
    mut tagged: BTreeMap<u32, Bytes>,
    unknown: &BTreeMap<i32, Bytes>,
) -> Result<()> {
    if !form.flexible {
        return Ok(());
    }
    for (tag, bytes) in unknown {
        tagged.insert(u32::try_from(*tag)?, bytes.clone());
    }
    put_varint(buf, u32::try_from(tagged.len())?);
    for (tag, bytes) in tagged {
        put_varint(buf, tag);
        put_varint(buf, u32::try_from(bytes.len())?);
        buf.put_slice(&bytes);
    }
    Ok(())
}

/// Reads a struct's tagged fields.
pub(super) fn take_tags<B: ByteBuf>(
    buf: &mut B,
    form: Form,
    mut field: impl FnMut(u32, Bytes) -> Result<()>,
) -> Result<()> {
    if !form.flexible {
        return Ok(());
    }
    for _ in 0..take_varint(buf)? {
        let tag = take_varint(buf)?;
        let size = take_varint(buf)? as usize;
        field(tag, buf.try_get_bytes(size)?)?;
    }
    Ok(())
}

/// A compact length: one more than it is, 0 for null.
fn put_length<B: ByteBufMut>(buf: &mut B, length: Option<usize>) -> Result<()> {
    let length = length.map_or(Ok(0), |length| u32::try_from(length + 1))?;
    put_varint(buf, length);
    Ok(())
}

fn take_length<B: ByteBuf>(buf: &mut B) -> Result<Option<usize>> {
    Ok(take_varint(buf)?.checked_sub(1).map(|length| length as usize))
}

fn put_varint<B: ByteBufMut>(buf: &mut B, mut value: u32) {
    while value > 0x7f {
        buf.put_u8(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    buf.put_u8(value as u8);
}

fn take_varint<B: ByteBuf>(buf: &mut B) -> Result<u32> {
    let mut value = 0;
    for shift in (0..32).step_by(7) {
        let byte = buf.try_get_u8()?;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    bail!("a number of more than five bytes")
}

/// Declares structs of a message, each with its builder and its wire form.
macro_rules! structs {
    ($($(#[$doc:meta])* $name:ident {$(
        $(#[$field_doc:meta])*
        $field:ident ($with:ident): $type:ty = $default:expr, $wire_name:literal in $versions:expr, null in $nullable:expr, tag $tag:expr, ignorable $ignorable:literal;
    )*})*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            /// Tagged fields that the definition does not have.
            pub unknown_tagged_fields: BTreeMap<i32, Bytes>,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $default,)*
                    unknown_tagged_fields: BTreeMap::new(),
                }
            }
        }

        impl $name {
            $(
                $(#[$field_doc])*
                #[must_use]
                pub fn $with(mut self, value: $type) -> Self {
                    self.$field = value;
                    self
                }
            )*

            /// Sets the tagged fields that the definition does not have.
            #[must_use]
            pub fn with_unknown_tagged_fields(mut self, value: BTreeMap<i32, Bytes>) -> Self {
                self.unknown_tagged_fields = value;
                self
            }
        }

        impl wire::Wire for $name {
            fn put<B: ByteBufMut>(&self, buf: &mut B, form: wire::Form) -> anyhow::Result<()> {
                let mut tagged = BTreeMap::new();
                $({
                    let spec = wire::Spec { name: $wire_name, versions: $versions, nullable: $nullable, tag: $tag, ignorable: $ignorable };
                    wire::put_field(buf, form, &spec, &self.$field, &$default, &mut tagged)?;
                })*
                wire::put_tags(buf, form, tagged, &self.unknown_tagged_fields)
            }

            fn take<B: ByteBuf>(buf: &mut B, form: wire::Form) -> anyhow::Result<Self> {
                let mut message = Self::default();
                $({
                    let spec = wire::Spec { name: $wire_name, versions: $versions, nullable: $nullable, tag: $tag, ignorable: $ignorable };
                    if let Some(value) = wire::take_field(buf, form, &spec)? {
                        message.$field = value;
                    }
                })*
                wire::take_tags(buf, form, |tag, bytes| {
                    $({
                        let spec = wire::Spec { name: $wire_name, versions: $versions, nullable: $nullable, tag: $tag, ignorable: $ignorable };
                        if spec.tag == Some(tag) && spec.versions.contains(&form.version) {
                            message.$field = wire::take_tagged(bytes, form, &spec)?;
                            return Ok(());
                        }
                    })*
                    message.unknown_tagged_fields.insert(i32::try_from(tag)?, bytes);
                    Ok(())
                })?;
                Ok(message)
            }
        }
    )*};
}
pub(super) use structs;

/// Makes a struct a message: a request with its key and its response, or a response.
macro_rules! message {
    ($name:ident, versions $min:literal to $max:literal, flexible from $flexible:literal, header $old:literal or $new:literal) => {
        impl Message for $name {
            const VERSIONS: VersionRange = VersionRange { min: $min, max: $max };
            const DEPRECATED_VERSIONS: Option<VersionRange> = None;
        }

        impl HeaderVersion for $name {
            fn header_version(version: i16) -> i16 {
                if version >= $flexible { $new } else { $old }
            }
        }

        impl Encodable for $name {
            fn encode<B: ByteBufMut>(&self, buf: &mut B, version: i16) -> anyhow::Result<()> {
                wire::Wire::put(self, buf, wire::form::<Self>(version, $flexible)?)
            }

            fn compute_size(&self, version: i16) -> anyhow::Result<usize> {
                let mut buf = bytes::BytesMut::new();
                self.encode(&mut buf, version)?;
                Ok(buf.len())
            }
        }

        impl Decodable for $name {
            fn decode<B: ByteBuf>(buf: &mut B, version: i16) -> anyhow::Result<Self> {
                wire::Wire::take(buf, wire::form::<Self>(version, $flexible)?)
            }
        }
    };
    ($name:ident, key $key:literal, response $response:ty, $($rest:tt)*) => {
        $crate::messages::wire::message!($name, $($rest)*);

        impl Request for $name {
            const KEY: i16 = $key;
            type Response = $response;
        }
    };
}
pub(super) use message;

/// The form of a version that the message has.
pub(super) fn form<M: kafka_protocol::protocol::Message>(version: i16, flexible_from: i16) -> Result<Form> {
    let versions = M::VERSIONS;
    ensure!(
        (versions.min..=versions.max).contains(&version),
        "version {version} is not in {versions}"
    );
    Ok(Form {
        version,
        flexible: version >= flexible_from,
        nullable: false,
    })
}
