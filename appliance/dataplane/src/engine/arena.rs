//! Slots for the objects of one worker: a caller-chosen id outside, a dense index inside.
//!
//! The packet path only ever touches indices. A slot may be used again after its object went, so whoever removes an
//! object also removes every index that points at it; nothing here notices a stale one.

use std::collections::HashMap;
use std::marker::PhantomData;

/// Index of an object of type `T` in its arena.
pub struct Key<T>(u32, PhantomData<fn() -> T>);

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Key<T> {}
impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Key<T> {}
impl<T> Key<T> {
    /// Its slot, to keep something about the object in a row of its own.
    pub fn slot(self) -> usize {
        self.0 as usize
    }
}
impl<T> std::fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Objects by id and by index.
pub struct Arena<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
    by_id: HashMap<u64, u32>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), by_id: HashMap::new() }
    }
}

impl<T> Arena<T> {
    /// Puts an object under an id. None, and nothing changes, when the id is taken.
    pub fn insert(&mut self, id: u64, value: T) -> Option<Key<T>> {
        if self.by_id.contains_key(&id) {
            return None;
        }
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = Some(value);
                index
            }
            None => {
                self.slots.push(Some(value));
                (self.slots.len() - 1) as u32
            }
        };
        self.by_id.insert(id, index);
        Some(Key(index, PhantomData))
    }

    /// The index behind an id.
    pub fn key(&self, id: u64) -> Option<Key<T>> {
        self.by_id.get(&id).map(|index| Key(*index, PhantomData))
    }

    /// Takes an object out; the id is the one it was put in under.
    pub fn remove(&mut self, id: u64) -> Option<(Key<T>, T)> {
        let index = self.by_id.remove(&id)?;
        let value = self.slots[index as usize].take()?;
        self.free.push(index);
        Some((Key(index, PhantomData), value))
    }

    /// The object at an index.
    pub fn get(&self, key: Key<T>) -> Option<&T> {
        self.slots.get(key.0 as usize)?.as_ref()
    }

    /// The object at an index, to change.
    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        self.slots.get_mut(key.0 as usize)?.as_mut()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True when there is nothing.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Number of slots, taken or free: an upper bound for `key_at`.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The key of a taken slot, to walk the arena while changing other parts of the engine.
    pub fn key_at(&self, slot: usize) -> Option<Key<T>> {
        self.slots.get(slot)?.as_ref().map(|_| Key(slot as u32, PhantomData))
    }

    /// Every object with its key.
    pub fn iter(&self) -> impl Iterator<Item = (Key<T>, &T)> {
        self.slots.iter().enumerate().filter_map(|(i, s)| s.as_ref().map(|v| (Key(i as u32, PhantomData), v)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_used_again_and_an_id_is_not_taken_twice() {
        let mut arena: Arena<&str> = Arena::default();
        let first = arena.insert(7, "a").unwrap();
        assert!(arena.insert(7, "b").is_none());
        assert_eq!(arena.get(first), Some(&"a"));
        assert_eq!(arena.remove(7), Some((first, "a")));
        assert!(arena.get(first).is_none() && arena.key(7).is_none() && arena.is_empty());
        assert_eq!(arena.insert(8, "c"), Some(first));
        assert_eq!((arena.len(), arena.slots(), arena.key_at(0)), (1, 1, Some(first)));
    }
}
