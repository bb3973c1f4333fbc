//! Long arrays in a saved state: serde knows none of more than 32 elements.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

pub(crate) fn serialize<T: Serialize, S: Serializer, const N: usize>(
    array: &[T; N],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    array.as_slice().serialize(serializer)
}

pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>, const N: usize>(
    deserializer: D,
) -> Result<[T; N], D::Error> {
    let elements = Vec::<T>::deserialize(deserializer)?;
    let length = elements.len();
    elements.try_into().map_err(|_| D::Error::invalid_length(length, &"another number of elements"))
}
