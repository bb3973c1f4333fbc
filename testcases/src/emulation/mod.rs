//! Instruction emulation, cross-checked: the same instruction on the processor and on a hypervisor's emulator.
