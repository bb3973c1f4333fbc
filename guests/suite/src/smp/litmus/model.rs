//! The memory model of x86, as a machine: what a program of a few threads may observe.
//!
//! Each thread has a FIFO buffer of stores, and reads its own newest store to a location first. MFENCE and locked
//! instructions wait until the buffer is empty. Nothing else is reordered (SDM vol. 3A, "Memory Ordering in P6 and More
//! Recent Processor Families"; Sewell et al., "x86-TSO: A Rigorous and Usable Programmer's Model").

/// The most threads of a program.
pub(crate) const MAX_THREADS: usize = 4;
/// The most outcomes of a program.
pub(crate) const MAX_OUTCOMES: usize = 256;
/// The most stores that wait in a buffer: as many as a thread of the table makes.
const MAX_STORES: usize = 3;

/// An instruction. Locations are 0 to 2, registers 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Stores a value at a location.
    Write(usize, u8),
    /// Loads a location into a register.
    Read(usize, usize),
    /// Loads a location into a register and stores a value there, locked.
    Exchange(usize, usize, u8),
    /// MFENCE.
    Fence,
}

/// What a run of a program leaves: registers of each thread, then the locations; two bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome(pub u32);

impl Outcome {
    /// Puts it together.
    pub(crate) fn new(registers: &[[u8; 2]; MAX_THREADS], memory: [u8; 3]) -> Self {
        let mut bits = 0;
        for thread in registers {
            for &value in thread {
                bits = bits << 2 | u32::from(value & 3);
            }
        }
        for value in memory {
            bits = bits << 2 | u32::from(value & 3);
        }
        Self(bits)
    }
}

/// A set of outcomes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcomes {
    list: [Outcome; MAX_OUTCOMES],
    count: usize,
}

impl Outcomes {
    /// None.
    pub(crate) const fn new() -> Self {
        Self { list: [Outcome(0); MAX_OUTCOMES], count: 0 }
    }

    /// Those in it.
    pub(crate) fn list(&self) -> &[Outcome] {
        self.list.get(..self.count).unwrap_or_default()
    }

    /// Where an outcome stands in the list.
    pub(crate) fn position(&self, outcome: Outcome) -> Option<usize> {
        self.list().iter().position(|&known| known == outcome)
    }

    fn add(&mut self, outcome: Outcome) {
        if self.position(outcome).is_none()
            && let Some(slot) = self.list.get_mut(self.count)
        {
            *slot = outcome;
            self.count += 1;
        }
    }
}

/// Threads, each a list of instructions.
pub(crate) type Threads = [&'static [Op]];

/// Each program's outcome is one of a machine with this property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    /// Stores wait in buffers.
    TotalStoreOrder,
    /// Sequential consistency: stores take effect at once.
    Sequential,
    /// The same, and a thread that has begun comes to its end before another one begins.
    OneAfterAnother,
}

#[derive(Clone, Copy)]
struct Machine {
    next: [usize; MAX_THREADS],
    stores: [[(usize, u8); MAX_STORES]; MAX_THREADS],
    nr_stores: [usize; MAX_THREADS],
    registers: [[u8; 2]; MAX_THREADS],
    memory: [u8; 3],
}

/// All outcomes of a program whose locations are 0 at first.
pub(crate) fn outcomes(threads: &Threads, model: Model) -> Outcomes {
    let machine = Machine {
        next: [0; MAX_THREADS],
        stores: [[(0, 0); MAX_STORES]; MAX_THREADS],
        nr_stores: [0; MAX_THREADS],
        registers: [[0; 2]; MAX_THREADS],
        memory: [0; 3],
    };
    let mut outcomes = Outcomes::new();
    explore(threads, model, &machine, &mut outcomes);
    outcomes
}

fn explore(threads: &Threads, model: Model, machine: &Machine, outcomes: &mut Outcomes) {
    let mut is_over = true;
    let begun = threads.iter().zip(machine.next).position(|(ops, next)| (1..ops.len()).contains(&next));
    let only = begun.filter(|_| model == Model::OneAfterAnother);
    for (thread, ops) in threads.iter().enumerate() {
        if machine.nr_stores[thread] != 0 {
            is_over = false;
            let mut after = *machine;
            let (location, value) = after.stores[thread][0];
            after.memory[location] = value;
            after.stores[thread].copy_within(1.., 0);
            after.nr_stores[thread] -= 1;
            explore(threads, model, &after, outcomes);
        }
        let Some(&op) = ops.get(machine.next[thread]) else { continue };
        is_over = false;
        if only.is_some_and(|only| only != thread) {
            continue;
        }
        if let Some(mut after) = step(machine, thread, op, model) {
            after.next[thread] += 1;
            explore(threads, model, &after, outcomes);
        }
    }
    if is_over {
        outcomes.add(Outcome::new(&machine.registers, machine.memory));
    }
}

/// The machine after an instruction, or `None` if it must wait for the thread's buffer.
fn step(machine: &Machine, thread: usize, op: Op, model: Model) -> Option<Machine> {
    let mut after = *machine;
    let pending = machine.nr_stores[thread];
    match op {
        Op::Write(location, value) if model != Model::TotalStoreOrder => after.memory[location] = value,
        Op::Write(location, value) => {
            *after.stores[thread].get_mut(pending)? = (location, value);
            after.nr_stores[thread] += 1;
        }
        Op::Read(register, location) => {
            let mut value = machine.memory[location];
            for &(stored, newer) in machine.stores[thread].iter().take(pending) {
                if stored == location {
                    value = newer;
                }
            }
            after.registers[thread][register] = value;
        }
        Op::Exchange(..) | Op::Fence if pending != 0 => return None,
        Op::Exchange(register, location, value) => {
            after.registers[thread][register] = machine.memory[location];
            after.memory[location] = value;
        }
        Op::Fence => {}
    }
    Some(after)
}
