//! The smallest automaton that decides the same.
//!
//! Valmari and Lehtinen, "Efficient Minimization of DFAs with Partial Transition Functions" (STACS 2008): states and
//! transitions are refined in turn, in O(m log n) for m transitions that do not lead to the dead state. Every other
//! state must be able to reach one with a grant, which the subset construction guarantees.

use super::dfa::Dfa;
use probity_abi::policy::DEAD;

/// A partition of `0..n` whose parts can be split by marked elements.
struct Partition {
    elements: Vec<u32>,
    place: Vec<u32>,
    part: Vec<u32>,
    first: Vec<u32>,
    end: Vec<u32>,
    marked: Vec<u32>,
    touched: Vec<u32>,
}

impl Partition {
    /// Elements with one key form a part; parts are in the order of their keys.
    fn by_key<K: Ord>(count: usize, key: impl Fn(u32) -> K) -> Self {
        let mut elements: Vec<u32> = (0..count as u32).collect();
        elements.sort_by_key(|element| key(*element));
        let mut partition = Self {
            place: vec![0; count],
            part: vec![0; count],
            first: Vec::new(),
            end: Vec::new(),
            marked: Vec::new(),
            touched: Vec::new(),
            elements,
        };
        for at in 0..count {
            let element = partition.elements[at];
            if at == 0 || key(partition.elements[at - 1]) != key(element) {
                partition.first.push(at as u32);
                partition.end.push(at as u32);
                partition.marked.push(0);
            }
            let part = partition.first.len() - 1;
            partition.end[part] = at as u32 + 1;
            partition.place[element as usize] = at as u32;
            partition.part[element as usize] = part as u32;
        }
        partition
    }

    fn len(&self) -> usize {
        self.first.len()
    }

    fn members(&self, part: usize) -> std::ops::Range<usize> {
        self.first[part] as usize..self.end[part] as usize
    }

    /// Marks an element once.
    fn mark(&mut self, element: u32) {
        let part = self.part[element as usize] as usize;
        let (from, to) = (self.place[element as usize], self.first[part] + self.marked[part]);
        if from < to {
            return;
        }
        let other = self.elements[to as usize];
        self.elements.swap(from as usize, to as usize);
        self.place[other as usize] = from;
        self.place[element as usize] = to;
        if self.marked[part] == 0 {
            self.touched.push(part as u32);
        }
        self.marked[part] += 1;
    }

    /// Splits every part into its marked and its other elements; the smaller half becomes the new part.
    fn split(&mut self) {
        while let Some(part) = self.touched.pop() {
            let part = part as usize;
            let (first, end) = (self.first[part], self.end[part]);
            let middle = first + std::mem::take(&mut self.marked[part]);
            if middle == end {
                continue;
            }
            let (new_first, new_end) = if middle - first <= end - middle {
                self.first[part] = middle;
                (first, middle)
            } else {
                self.end[part] = middle;
                (middle, end)
            };
            let new = self.first.len() as u32;
            self.first.push(new_first);
            self.end.push(new_end);
            self.marked.push(0);
            for at in new_first..new_end {
                self.part[self.elements[at as usize] as usize] = new;
            }
        }
    }
}

/// The smallest automaton, unnumbered: see [`super::automaton`].
pub(super) struct Minimal {
    /// By old state: the new one. State 0 is dead.
    pub(super) renamed: Vec<u32>,
    /// By new state: an old one that stands for it.
    pub(super) chosen: Vec<u32>,
}

/// Merges the states that no bytes tell apart. New states are numbered in the order of the first old state they hold.
pub(super) fn minimise(dfa: &Dfa) -> Minimal {
    let width = dfa.class_count;
    let count = dfa.accepts.len();
    let mut tails: Vec<u32> = Vec::new();
    let mut heads: Vec<u32> = Vec::new();
    let mut labels: Vec<u8> = Vec::new();
    for (at, head) in dfa.rows.iter().enumerate().skip(width) {
        if *head != DEAD {
            tails.push((at / width) as u32);
            labels.push((at % width) as u8);
            heads.push(*head);
        }
    }
    // The dead state has no transition and is kept apart from all others.
    let mut blocks = Partition::by_key(count, |state| {
        if state == DEAD {
            0
        } else {
            1 + dfa.accepts[state as usize]
        }
    });
    let mut cords = Partition::by_key(tails.len(), |transition| labels[transition as usize]);
    let (offsets, incoming) = adjacency(count, &heads);
    let (mut block, mut cord) = (1, 0);
    while cord < cords.len() {
        for at in cords.members(cord) {
            blocks.mark(tails[cords.elements[at] as usize]);
        }
        blocks.split();
        cord += 1;
        while block < blocks.len() {
            for at in blocks.members(block) {
                let state = blocks.elements[at] as usize;
                for transition in &incoming[offsets[state] as usize..offsets[state + 1] as usize] {
                    cords.mark(*transition);
                }
            }
            cords.split();
            block += 1;
        }
    }
    let mut names: Vec<Option<u32>> = vec![None; blocks.len()];
    let mut chosen = Vec::new();
    let renamed = (0..count as u32)
        .map(|state| {
            *names[blocks.part[state as usize] as usize].get_or_insert_with(|| {
                chosen.push(state);
                chosen.len() as u32 - 1
            })
        })
        .collect();
    Minimal { renamed, chosen }
}

/// Transitions by the state they lead to.
fn adjacency(count: usize, heads: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut offsets = vec![0u32; count + 1];
    for head in heads {
        offsets[*head as usize + 1] += 1;
    }
    for at in 1..offsets.len() {
        offsets[at] += offsets[at - 1];
    }
    let mut next = offsets.clone();
    let mut incoming = vec![0; heads.len()];
    for (transition, head) in heads.iter().enumerate() {
        let at = &mut next[*head as usize];
        incoming[*at as usize] = transition as u32;
        *at += 1;
    }
    (offsets, incoming)
}
