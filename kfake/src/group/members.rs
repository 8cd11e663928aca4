//! A group's members, in the order in which they came.
//!
//! The order shows: the first is the next leader, and the leader is told of the others in it. To take one out of the middle of a
//! list moves all behind it, which made the end of a large group, whose members leave one by one, cost the square of its size.
//! So a member that leaves keeps its place, empty, until as many places are empty as are taken.

use indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;

use super::member::Member;

/// Members by their ids, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Boxed: taking the empty places out moves the others. An empty place has nobody.
    places: IndexMap<StrBytes, Option<Box<Member>>>,
    /// How many places are empty; fewer than are taken.
    empty: usize,
    /// How many of those are in front of the first member.
    empty_first: usize,
}

impl Members {
    pub fn len(&self) -> usize {
        self.places.len() - self.empty
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, id: &StrBytes) -> Option<&Member> {
        self.places.get(id)?.as_deref()
    }

    pub fn get_mut(&mut self, id: &StrBytes) -> Option<&mut Member> {
        self.places.get_mut(id)?.as_deref_mut()
    }

    pub fn contains_key(&self, id: &StrBytes) -> bool {
        self.get(id).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&StrBytes, &Member)> {
        let places = self.places.as_slice()[self.empty_first..].iter();
        places.filter_map(|(id, member)| Some((id, member.as_deref()?)))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&StrBytes, &mut Member)> {
        let places = self.places.as_mut_slice()[self.empty_first..].iter_mut();
        places.filter_map(|(id, member)| Some((id, member.as_deref_mut()?)))
    }

    pub fn keys(&self) -> impl Iterator<Item = &StrBytes> {
        self.iter().map(|(id, _)| id)
    }

    pub fn values(&self) -> impl Iterator<Item = &Member> {
        self.iter().map(|(_, member)| member)
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.iter_mut().map(|(_, member)| member)
    }

    /// Puts a member behind the others, or in the place of the one of its id, which is returned.
    pub fn insert(&mut self, id: StrBytes, member: Box<Member>) -> Option<Box<Member>> {
        self.forget(&id);
        self.places.insert(id, Some(member)).flatten()
    }

    /// Takes a member out; the others stay in their order.
    pub fn remove(&mut self, id: &StrBytes) -> Option<Box<Member>> {
        let (index, _, place) = self.places.get_full_mut(id)?;
        let member = place.take()?;
        self.empty += 1;
        if self.empty >= self.len() {
            self.close_up();
        } else if index == self.empty_first {
            let behind = self.places.as_slice()[index..].values();
            self.empty_first += behind.take_while(|member| member.is_none()).count();
        }
        Some(member)
    }

    /// Gives a member another id, in the same place.
    pub fn rename(&mut self, old: &StrBytes, new: StrBytes) -> Option<&mut Member> {
        self.forget(&new);
        if !self.contains_key(old) {
            return None;
        }
        let (index, _, member) = self.places.swap_remove_full(old)?;
        let (last, _) = self.places.insert_full(new, member);
        self.places.swap_indices(index, last);
        self.places.get_index_mut(index)?.1.as_deref_mut()
    }

    /// Who had this id and has left does not keep a place.
    fn forget(&mut self, id: &StrBytes) {
        if self.empty > 0 && self.places.get(id).is_some_and(Option::is_none) {
            self.close_up();
        }
    }

    fn close_up(&mut self) {
        self.places.retain(|_, member| member.is_some());
        self.empty = 0;
        self.empty_first = 0;
    }
}

impl FromIterator<(StrBytes, Box<Member>)> for Members {
    fn from_iter<I: IntoIterator<Item = (StrBytes, Box<Member>)>>(members: I) -> Self {
        Self {
            places: members.into_iter().map(|(id, member)| (id, Some(member))).collect(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kafka_protocol::messages::JoinGroupRequest;

    use super::super::request::ClientInfo;
    use super::*;

    fn id(nth: usize) -> StrBytes {
        StrBytes::from_string(format!("member-{nth}"))
    }

    fn member(id: &StrBytes) -> Box<Member> {
        let client = ClientInfo {
            id: "client".to_owned(),
            host: "/host".to_owned(),
        };
        let request = JoinGroupRequest::default();
        Box::new(Member::new(id.clone(), &request, 3, Arc::new(client)))
    }

    /// What members are, slowly: a list.
    #[derive(Default)]
    struct Both {
        members: Members,
        list: Vec<(StrBytes, StrBytes)>,
    }

    impl Both {
        fn at(&self, id: &StrBytes) -> Option<usize> {
            self.list.iter().position(|(known, _)| known == id)
        }

        fn insert(&mut self, id: &StrBytes) {
            let before = self.members.insert(id.clone(), member(id)).map(|member| member.id);
            let expected = self
                .at(id)
                .map(|at| std::mem::replace(&mut self.list[at].1, id.clone()));
            assert_eq!(before, expected);
            if before.is_none() {
                self.list.push((id.clone(), id.clone()));
            }
        }

        fn remove(&mut self, id: &StrBytes) {
            let removed = self.members.remove(id).map(|member| member.id);
            assert_eq!(removed, self.at(id).map(|at| self.list.remove(at).1));
        }

        /// To an id that nobody has.
        fn rename(&mut self, old: &StrBytes, new: &StrBytes) {
            let renamed = self.members.rename(old, new.clone()).map(|member| member.id.clone());
            let expected = self.at(old).map(|at| {
                self.list[at].0 = new.clone();
                self.list[at].1.clone()
            });
            assert_eq!(renamed, expected);
        }

        fn check(&mut self) {
            let members = &mut self.members;
            assert_eq!(
                (members.len(), members.is_empty()),
                (self.list.len(), self.list.is_empty())
            );
            assert!(members.keys().eq(self.list.iter().map(|(id, _)| id)));
            assert!(members.values().map(|m| &m.id).eq(self.list.iter().map(|(_, own)| own)));
            assert!(
                members
                    .values_mut()
                    .map(|m| &m.id)
                    .eq(self.list.iter().map(|(_, own)| own))
            );
            for (id, own) in &self.list {
                assert_eq!(members.get(id).map(|m| &m.id), Some(own));
                assert_eq!(members.get_mut(id).map(|m| &m.id), Some(own));
            }
            assert!(members.places.len() <= 2 * self.list.len(), "more places than needed");
            let first = members.places.get_index(members.empty_first);
            assert!(
                first.is_none_or(|(_, member)| member.is_some()),
                "the first is looked for"
            );
        }
    }

    #[test]
    fn members_are_in_the_order_in_which_they_came_whoever_leaves() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..50 {
            let mut both = Both::default();
            for step in 0..300 {
                let of = id(random.usize(..40));
                match random.u32(..10) {
                    // First more come, then more leave.
                    0..4 if step < 150 => both.insert(&of),
                    4 => both.insert(&of),
                    5 => {
                        let new = id(random.usize(..40));
                        if both.at(&new).is_none() {
                            both.rename(&of, &new);
                        }
                    }
                    6 => {
                        if let Some((first, _)) = both.list.first().cloned() {
                            both.remove(&first);
                        }
                    }
                    _ => both.remove(&of),
                }
                assert_eq!(both.members.contains_key(&of), both.at(&of).is_some());
                both.check();
            }
        }
    }

    #[test]
    fn who_leaves_first_of_many_moves_nobody_until_half_have_left() {
        let mut members: Members = (0..100).map(|nth| (id(nth), member(&id(nth)))).collect();
        for nth in 0..49 {
            assert!(members.remove(&id(nth)).is_some());
            assert_eq!((members.places.len(), members.keys().next()), (100, Some(&id(nth + 1))));
        }
        assert!(members.remove(&id(49)).is_some());
        assert_eq!((members.places.len(), members.len()), (50, 50));
        assert!(members.remove(&id(0)).is_none());
    }
}
