//! A vCPU that nobody has touched since KVM made it: what it holds, and what INIT makes of it.

#![expect(unsafe_code, reason = "KVM_SET_XSAVE takes as much memory as KVM wants")]
// UNSAFETY: one KVM_SET_XSAVE, of a processor whose state fits into the structure.

use crate::{
    cpuid::{self, Machine},
    create::VmError,
    host::Hypervisor,
};
use kvm_bindings::{
    KVM_CAP_SPLIT_IRQCHIP, KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_SIPI_RECEIVED, KVM_VCPUEVENT_VALID_SIPI_VECTOR,
    KVM_VCPUEVENT_VALID_SMM, Msrs, kvm_enable_cap, kvm_mp_state, kvm_msr_entry, kvm_segment, kvm_vcpu_events,
    kvm_xsave,
};
use kvm_ioctls::{VcpuFd, VmFd};

/// Pins of the split interrupt controller.
const NR_PINS: u64 = 24;

/// MSRs that are read, with the names of the manuals.
const MSRS: &[(&str, u32)] = &[
    ("IA32_TIME_STAMP_COUNTER", 0x10),
    ("IA32_APIC_BASE", 0x1b),
    ("IA32_TSC_ADJUST", 0x3b),
    ("IA32_SYSENTER_EIP", 0x176),
    ("IA32_MTRR_PHYSMASK0", 0x201),
    ("IA32_MTRR_PHYSMASK1", 0x203),
    ("IA32_MTRR_PHYSMASK2", 0x205),
    ("IA32_MTRR_PHYSMASK3", 0x207),
    ("IA32_MTRR_PHYSMASK4", 0x209),
    ("IA32_MTRR_PHYSMASK5", 0x20b),
    ("IA32_MTRR_PHYSMASK6", 0x20d),
    ("IA32_MTRR_PHYSMASK7", 0x20f),
    ("IA32_PAT", 0x277),
    ("IA32_MTRR_DEF_TYPE", 0x2ff),
    ("IA32_LSTAR", 0xc000_0082),
    ("IA32_TSC_AUX", 0xc000_0103),
];

/// Registers of the local APIC that are read, by their offset (SDM vol. 3A, "Local APIC Register Address Map").
const APIC: &[(&str, usize)] = &[
    ("APIC TPR", 0x80),
    ("APIC LDR", 0xd0),
    ("APIC DFR", 0xe0),
    ("APIC SVR", 0xf0),
    ("APIC ISR 0", 0x100),
    ("APIC ISR 7", 0x170),
    ("APIC TMR 0", 0x180),
    ("APIC TMR 7", 0x1f0),
    ("APIC IRR 0", 0x200),
    ("APIC IRR 7", 0x270),
    ("APIC ESR", 0x280),
    ("APIC ICR low", 0x300),
    ("APIC ICR high", 0x310),
    ("APIC LVT timer", 0x320),
    ("APIC LVT thermal", 0x330),
    ("APIC LVT performance", 0x340),
    ("APIC LVT LINT0", 0x350),
    ("APIC LVT LINT1", 0x360),
    ("APIC LVT error", 0x370),
    ("APIC initial count", 0x380),
    ("APIC current count", 0x390),
    ("APIC divide configuration", 0x3e0),
];

/// Every field that was read, by its name in the manuals.
pub type Fields = Vec<(String, u64)>;

/// A vCPU with a local APIC in a VM without memory. It never runs.
#[derive(Debug)]
pub struct FreshVcpu {
    vcpu: VcpuFd,
    _vm: VmFd,
}

/// Makes an error of kvm-ioctls one of ours.
fn refused(request: &'static str) -> impl Fn(kvm_ioctls::Error) -> VmError {
    move |error| VmError::Kvm { request, source: error.into() }
}

impl FreshVcpu {
    /// Makes the first vCPU of a VM with a split interrupt controller.
    ///
    /// # Errors
    /// [`VmError::Kvm`] with what KVM refused.
    pub fn new(hypervisor: &Hypervisor) -> Result<Self, VmError> {
        let vm = hypervisor.kvm.create_vm().map_err(refused("KVM_CREATE_VM"))?;
        let mut split = kvm_enable_cap { cap: KVM_CAP_SPLIT_IRQCHIP, ..Default::default() };
        split.args[0] = NR_PINS;
        vm.enable_cap(&split).map_err(refused("KVM_ENABLE_CAP of KVM_CAP_SPLIT_IRQCHIP"))?;
        let vcpu = vm.create_vcpu(0).map_err(refused("KVM_CREATE_VCPU"))?;
        let machine = Machine {
            nr_vcpus: 1,
            has_apic: true,
            has_kernel_apic: true,
            has_tsc_deadline: hypervisor.has_tsc_deadline,
        };
        let table = cpuid::for_vcpu(&hypervisor.supported_cpuid, machine, 0);
        vcpu.set_cpuid2(&table).map_err(refused("KVM_SET_CPUID2"))?;
        Ok(Self { vcpu, _vm: vm })
    }

    /// Reads every field, among them EAX of CPUID leaf 1 as `signature`. It delivers an INIT or start-up IPI that is
    /// pending, as KVM does whenever the state of activity is asked for.
    ///
    /// # Errors
    /// [`VmError::Kvm`] with what KVM refused.
    pub fn read(&self) -> Result<Fields, VmError> {
        let mut fields = Fields::new();
        let activity = self.vcpu.get_mp_state().map_err(refused("KVM_GET_MP_STATE"))?;
        let mut put = |name: &str, value: u64| fields.push((name.to_owned(), value));
        put("activity", u64::from(activity.mp_state));
        let cpuid = self.vcpu.get_cpuid2(kvm_bindings::KVM_MAX_CPUID_ENTRIES).map_err(refused("KVM_GET_CPUID2"))?;
        let signature = cpuid.as_slice().iter().find(|entry| entry.function == 1).map_or(0, |entry| entry.eax);
        put("signature", signature.into());
        let regs = self.vcpu.get_regs().map_err(refused("KVM_GET_REGS"))?;
        let named = [
            ("RAX", regs.rax),
            ("RBX", regs.rbx),
            ("RCX", regs.rcx),
            ("RDX", regs.rdx),
            ("RSI", regs.rsi),
            ("RDI", regs.rdi),
            ("RBP", regs.rbp),
            ("RSP", regs.rsp),
            ("R8", regs.r8),
            ("R9", regs.r9),
            ("R10", regs.r10),
            ("R11", regs.r11),
            ("R12", regs.r12),
            ("R13", regs.r13),
            ("R14", regs.r14),
            ("R15", regs.r15),
            ("RIP", regs.rip),
            ("RFLAGS", regs.rflags),
        ];
        named.iter().for_each(|&(name, value)| put(name, value));
        let sregs = self.vcpu.get_sregs().map_err(refused("KVM_GET_SREGS"))?;
        let segments = [
            ("CS", sregs.cs),
            ("SS", sregs.ss),
            ("DS", sregs.ds),
            ("ES", sregs.es),
            ("FS", sregs.fs),
            ("GS", sregs.gs),
            ("LDTR", sregs.ldt),
            ("TR", sregs.tr),
        ];
        for (name, segment) in segments {
            put(&format!("{name} selector"), segment.selector.into());
            put(&format!("{name} base"), segment.base);
            put(&format!("{name} limit"), segment.limit.into());
            put(&format!("{name} rights"), rights(&segment));
        }
        for (name, table) in [("GDTR", sregs.gdt), ("IDTR", sregs.idt)] {
            put(&format!("{name} base"), table.base);
            put(&format!("{name} limit"), table.limit.into());
        }
        let control = [
            ("CR0", sregs.cr0),
            ("CR2", sregs.cr2),
            ("CR3", sregs.cr3),
            ("CR4", sregs.cr4),
            ("CR8", sregs.cr8),
            ("EFER", sregs.efer),
        ];
        control.iter().for_each(|&(name, value)| put(name, value));
        let debug = self.vcpu.get_debug_regs().map_err(refused("KVM_GET_DEBUGREGS"))?;
        for (number, value) in debug.db.into_iter().enumerate() {
            put(&format!("DR{number}"), value);
        }
        put("DR6", debug.dr6);
        put("DR7", debug.dr7);
        self.read_extended(&mut put)?;
        let entries: Vec<_> = MSRS.iter().map(|&(_, index)| kvm_msr_entry { index, ..Default::default() }).collect();
        // One at a time, because KVM stops at the first that it does not know.
        for (&(name, _), entry) in MSRS.iter().zip(entries) {
            if let Ok(mut msrs) = Msrs::from_entries(&[entry])
                && self.vcpu.get_msrs(&mut msrs).is_ok_and(|count| count == 1)
                && let Some(entry) = msrs.as_slice().first()
            {
                put(name, entry.data);
            }
        }
        let apic = self.vcpu.get_lapic().map_err(refused("KVM_GET_LAPIC"))?;
        for &(name, offset) in APIC {
            let bytes: Vec<u8> = apic.regs.iter().skip(offset).take(4).map(|&byte| byte as u8).collect();
            put(name, bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)));
        }
        Ok(fields)
    }

    fn read_extended(&self, put: &mut impl FnMut(&str, u64)) -> Result<(), VmError> {
        let xsave = self.vcpu.get_xsave().map_err(refused("KVM_GET_XSAVE"))?;
        let word = |index: usize| u64::from(xsave.region.get(index).copied().unwrap_or(0));
        put("x87 control word", word(0) & 0xffff);
        put("x87 status word", word(0) >> 16);
        put("x87 tags, abridged", word(1) & 0xff);
        put("x87 opcode", word(1) >> 16);
        put("x87 instruction pointer", word(3) << 32 | word(2));
        put("x87 data pointer", word(5) << 32 | word(4));
        put("MXCSR", word(6));
        for number in 0..8 {
            let at = 8 + number * 4;
            put(&format!("ST({number}) significand"), word(at + 1) << 32 | word(at));
            put(&format!("ST({number}) sign and exponent"), word(at + 2) & 0xffff);
        }
        for number in 0..16 {
            let at = 40 + number * 4;
            put(&format!("XMM{number} low"), word(at + 1) << 32 | word(at));
            put(&format!("XMM{number} high"), word(at + 3) << 32 | word(at + 2));
        }
        let xcrs = self.vcpu.get_xcrs().map_err(refused("KVM_GET_XCRS"))?;
        put("XCR0", xcrs.xcrs.first().map_or(0, |xcr| xcr.value));
        Ok(())
    }

    /// Writes something else than the state after reset to everything that INIT sets or leaves.
    ///
    /// # Errors
    /// [`VmError::Kvm`] with what KVM refused.
    pub fn disturb(&self) -> Result<(), VmError> {
        let mut xcrs = self.vcpu.get_xcrs().map_err(refused("KVM_GET_XCRS"))?;
        if let Some(xcr0) = xcrs.xcrs.first_mut() {
            xcr0.value = 3;
        }
        self.vcpu.set_xcrs(&xcrs).map_err(refused("KVM_SET_XCRS"))?;
        let mut xsave = kvm_xsave::default();
        for (index, word) in xsave.region.iter_mut().enumerate().take(104).skip(8) {
            // Of a register of the x87 stack only ten bytes are there.
            *word = match index {
                8..40 if index % 4 == 3 => 0,
                8..40 if index % 4 == 2 => 0x3fff,
                _ => 0x8181_0101 + index as u32,
            };
        }
        (xsave.region[0], xsave.region[1], xsave.region[6], xsave.region[128]) = (0x0c7f, 0xff, 0x3f80, 3);
        // SAFETY: the XSTATE_BV written above names x87 and SSE state alone, which lie in the structure; a vCPU of this
        // type has no state that KVM would want more memory for, since no feature was asked for that is not there from
        // the start.
        unsafe { self.vcpu.set_xsave(&xsave) }.map_err(refused("KVM_SET_XSAVE"))?;
        let mut sregs = self.vcpu.get_sregs().map_err(refused("KVM_GET_SREGS"))?;
        (sregs.cr0, sregs.cr2, sregs.cr3, sregs.cr4, sregs.cr8) = (0x30, 0x1234, 0x5000, 0x600, 7);
        for segment in [&mut sregs.cs, &mut sregs.ss, &mut sregs.ds, &mut sregs.es, &mut sregs.fs, &mut sregs.gs] {
            (segment.selector, segment.base) = (0x123, 0x1230);
        }
        (sregs.gdt.base, sregs.gdt.limit, sregs.idt.base, sregs.idt.limit) = (0x7000, 0x27, 0x8000, 0x3f);
        self.vcpu.set_sregs(&sregs).map_err(refused("KVM_SET_SREGS"))?;
        let mut regs = self.vcpu.get_regs().map_err(refused("KVM_GET_REGS"))?;
        (regs.rax, regs.rbx, regs.rcx, regs.rdx) = (1, 2, 3, 4);
        (regs.rsi, regs.rdi, regs.rbp, regs.rsp) = (5, 6, 7, 8);
        (regs.r8, regs.r9, regs.r10, regs.r11) = (9, 10, 11, 12);
        (regs.r12, regs.r13, regs.r14, regs.r15) = (13, 14, 15, 16);
        (regs.rip, regs.rflags) = (0x4321, 0xcd7);
        self.vcpu.set_regs(&regs).map_err(refused("KVM_SET_REGS"))?;
        let mut debug = self.vcpu.get_debug_regs().map_err(refused("KVM_GET_DEBUGREGS"))?;
        (debug.db, debug.dr6, debug.dr7) = ([0x11, 0x22, 0x33, 0x44], 0xffff_4ff1, 0x401);
        self.vcpu.set_debug_regs(&debug).map_err(refused("KVM_SET_DEBUGREGS"))?;
        // The time-stamp counter runs on from its value, which is larger than any that it reaches from 0.
        for (index, data) in [
            (0x10, 1 << 50),
            (0x3b, 0x9999),
            (0x176, 0x7777),
            (0x277, 0x0606_0606_0606_0606),
            (0x2ff, 0x806),
            (0xc000_0082, 0x8888),
            (0xc000_0103, 0xaaaa),
        ] {
            if let Ok(msrs) = Msrs::from_entries(&[kvm_msr_entry { index, data, ..Default::default() }]) {
                self.vcpu.set_msrs(&msrs).map_err(refused("KVM_SET_MSRS"))?;
            }
        }
        let mut apic = self.vcpu.get_lapic().map_err(refused("KVM_GET_LAPIC"))?;
        for (offset, value) in [(0xf0, 0x01_u8), (0xf1, 1), (0x380, 9), (0x3e0, 3), (0x320, 0x55), (0x320 + 2, 1)] {
            if let Some(byte) = apic.regs.get_mut(offset) {
                *byte = value as _;
            }
        }
        self.vcpu.set_lapic(&apic).map_err(refused("KVM_SET_LAPIC"))
    }

    /// Makes an INIT pending, which the next [`Self::read`] delivers.
    ///
    /// # Errors
    /// [`VmError::Kvm`] with what KVM refused.
    pub fn send_init(&self) -> Result<(), VmError> {
        let mut events = kvm_vcpu_events { flags: KVM_VCPUEVENT_VALID_SMM, ..Default::default() };
        events.smi.latched_init = 1;
        self.vcpu.set_vcpu_events(&events).map_err(refused("KVM_SET_VCPU_EVENTS"))
    }

    /// Lets the vCPU wait for a start-up IPI, and makes one with this vector pending, which the next [`Self::read`]
    /// delivers.
    ///
    /// # Errors
    /// [`VmError::Kvm`] with what KVM refused.
    pub fn send_start_up(&self, vector: u8) -> Result<(), VmError> {
        let events = kvm_vcpu_events {
            flags: KVM_VCPUEVENT_VALID_SIPI_VECTOR,
            sipi_vector: vector.into(),
            ..Default::default()
        };
        self.vcpu.set_vcpu_events(&events).map_err(refused("KVM_SET_VCPU_EVENTS"))?;
        for mp_state in [KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_SIPI_RECEIVED] {
            self.vcpu.set_mp_state(kvm_mp_state { mp_state }).map_err(refused("KVM_SET_MP_STATE"))?;
        }
        Ok(())
    }
}

/// The access rights as in the second doubleword of a descriptor, from its bit 8 on.
fn rights(segment: &kvm_segment) -> u64 {
    u64::from(segment.type_)
        | u64::from(segment.s) << 4
        | u64::from(segment.dpl) << 5
        | u64::from(segment.present) << 7
        | u64::from(segment.avl) << 12
        | u64::from(segment.l) << 13
        | u64::from(segment.db) << 14
        | u64::from(segment.g) << 15
}
