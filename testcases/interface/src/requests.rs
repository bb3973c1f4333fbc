//! KVM's requests, as `linux/kvm.h` numbers them, with their arguments.

use crate::api::{BOTH_WAYS, FROM_USER, Order, Request};
use kvm_bindings::{
    kvm_clock_data, kvm_coalesced_mmio_zone, kvm_cpuid_entry2, kvm_create_guest_memfd, kvm_debugregs, kvm_enable_cap,
    kvm_guest_debug, kvm_interrupt, kvm_ioeventfd, kvm_irq_level, kvm_irq_routing_entry, kvm_irqchip, kvm_irqfd,
    kvm_lapic_state, kvm_memory_attributes, kvm_mp_state, kvm_msi, kvm_msr_entry, kvm_msr_filter, kvm_one_reg,
    kvm_pit_config, kvm_pit_state2, kvm_pre_fault_memory, kvm_regs, kvm_sregs, kvm_sregs2, kvm_translation,
    kvm_userspace_memory_region, kvm_userspace_memory_region2, kvm_vcpu_events, kvm_xcrs, kvm_xen_hvm_config,
};

macro_rules! orders {
    ($($name:ident $nr:literal;)*) => { $(pub(crate) const $name: Order = Order::new(concat!("KVM_", stringify!($name)), $nr);)* };
}

macro_rules! requests {
    ($($name:ident $direction:ident $nr:literal $argument:ty;)*) => {
        $(pub(crate) const $name: Request<$argument> = Request::$direction(concat!("KVM_", stringify!($name)), $nr);)*
    };
}

orders! {
    GET_API_VERSION 0x00;
    CREATE_VM 0x01;
    CHECK_EXTENSION 0x03;
    GET_VCPU_MMAP_SIZE 0x04;
    CREATE_VCPU 0x41;
    SET_TSS_ADDR 0x47;
    CREATE_IRQCHIP 0x60;
    RUN 0x80;
    NMI 0x9a;
    SET_TSC_KHZ 0xa2;
    GET_TSC_KHZ 0xa3;
    KVMCLOCK_CTRL 0xad;
    SMI 0xb7;
    RESET_DIRTY_RINGS 0xc7;
    GET_STATS_FD 0xce;
    // No request: a number that none has.
    NONE 0xff;
}

requests! {
    SET_USER_MEMORY_REGION write 0x46 kvm_userspace_memory_region;
    SET_USER_MEMORY_REGION2 write 0x49 kvm_userspace_memory_region2;
    GET_DIRTY_LOG write 0x42 DirtyLog;
    CLEAR_DIRTY_LOG both 0xc0 ClearDirtyLog;
    CREATE_GUEST_MEMFD both 0xd4 kvm_create_guest_memfd;
    SET_MEMORY_ATTRIBUTES write 0xd2 kvm_memory_attributes;
    PRE_FAULT_MEMORY both 0xd5 kvm_pre_fault_memory;
    XEN_HVM_CONFIG write 0x7a kvm_xen_hvm_config;
    GET_ONE_REG write 0xab kvm_one_reg;
    SET_ONE_REG write 0xac kvm_one_reg;
    REGISTER_COALESCED_MMIO write 0x67 kvm_coalesced_mmio_zone;
    UNREGISTER_COALESCED_MMIO write 0x68 kvm_coalesced_mmio_zone;
    IOEVENTFD write 0x79 kvm_ioeventfd;
    IRQFD write 0x76 kvm_irqfd;
    SIGNAL_MSI write 0xa5 kvm_msi;
    IRQ_LINE write 0x61 kvm_irq_level;
    GET_IRQCHIP both 0x62 ChipState;
    SET_IRQCHIP read 0x63 ChipState;
    CREATE_PIT2 write 0x77 kvm_pit_config;
    GET_PIT2 read 0x9f kvm_pit_state2;
    SET_PIT2 write 0xa0 kvm_pit_state2;
    SET_CLOCK write 0x7b kvm_clock_data;
    GET_CLOCK read 0x7c kvm_clock_data;
    ENABLE_CAP write 0xa3 kvm_enable_cap;
    X86_SET_MSR_FILTER write 0xc6 kvm_msr_filter;
    GET_REGS read 0x81 kvm_regs;
    SET_REGS write 0x82 kvm_regs;
    GET_SREGS read 0x83 kvm_sregs;
    SET_SREGS write 0x84 kvm_sregs;
    GET_SREGS2 read 0xcc kvm_sregs2;
    SET_SREGS2 write 0xcd kvm_sregs2;
    TRANSLATE both 0x85 kvm_translation;
    INTERRUPT write 0x86 kvm_interrupt;
    GET_LAPIC read 0x8e kvm_lapic_state;
    SET_LAPIC write 0x8f kvm_lapic_state;
    GET_MP_STATE read 0x98 kvm_mp_state;
    SET_MP_STATE write 0x99 kvm_mp_state;
    SET_GUEST_DEBUG write 0x9b kvm_guest_debug;
    GET_VCPU_EVENTS read 0x9f kvm_vcpu_events;
    SET_VCPU_EVENTS write 0xa0 kvm_vcpu_events;
    GET_DEBUGREGS read 0xa1 kvm_debugregs;
    SET_DEBUGREGS write 0xa2 kvm_debugregs;
    GET_XSAVE read 0xa4 Xsave;
    SET_XSAVE write 0xa5 Xsave;
    GET_XCRS read 0xa6 kvm_xcrs;
    SET_XCRS write 0xa7 kvm_xcrs;
}

/// Room for entries behind a head: no list of a case is longer.
pub(crate) const ROOM: usize = 8;
/// Room for all of CPUID.
pub(crate) const CPUID_ROOM: usize = 256;

pub(crate) const SET_GSI_ROUTING: Request<Routing> = Request::headed("KVM_SET_GSI_ROUTING", FROM_USER, 0x6a, 8);
pub(crate) const GET_MSRS: Request<Msrs> = Request::headed("KVM_GET_MSRS", BOTH_WAYS, 0x88, 8);
pub(crate) const SET_MSRS: Request<Msrs> = Request::headed("KVM_SET_MSRS", FROM_USER, 0x89, 8);
pub(crate) const GET_SUPPORTED_CPUID: Request<Cpuid> = Request::headed("KVM_GET_SUPPORTED_CPUID", BOTH_WAYS, 0x05, 8);
pub(crate) const GET_SUPPORTED_HV_CPUID: Request<Cpuid> =
    Request::headed("KVM_GET_SUPPORTED_HV_CPUID", BOTH_WAYS, 0xc1, 8);
pub(crate) const GET_CPUID2: Request<Cpuid> = Request::headed("KVM_GET_CPUID2", BOTH_WAYS, 0x91, 8);
pub(crate) const SET_CPUID2: Request<Cpuid> = Request::headed("KVM_SET_CPUID2", FROM_USER, 0x90, 8);
pub(crate) const SET_SIGNAL_MASK: Request<SignalMask> = Request::headed("KVM_SET_SIGNAL_MASK", FROM_USER, 0x8b, 4);

/// `kvm_dirty_log`; the bitmap holds a bit for each page of the slot, which must have no more than 64 pages.
#[repr(C)]
pub(crate) struct DirtyLog {
    pub(crate) slot: u32,
    pub(crate) padding: u32,
    pub(crate) bitmap: *mut u64,
}

/// `kvm_clear_dirty_log`, with the same bound.
#[repr(C)]
pub(crate) struct ClearDirtyLog {
    pub(crate) slot: u32,
    pub(crate) nr_pages: u32,
    pub(crate) first_page: u64,
    pub(crate) bitmap: *mut u64,
}

/// `kvm_irq_routing` with its entries.
#[repr(C)]
#[derive(Default)]
pub(crate) struct Routing {
    pub(crate) count: u32,
    pub(crate) flags: u32,
    pub(crate) entries: [kvm_irq_routing_entry; ROOM],
}

/// `kvm_msrs` with its entries.
#[repr(C)]
#[derive(Default)]
pub(crate) struct Msrs {
    pub(crate) count: u32,
    pub(crate) padding: u32,
    pub(crate) entries: [kvm_msr_entry; ROOM],
}

impl Msrs {
    /// These MSRs with these values.
    pub(crate) fn of(msrs: &[(u32, u64)]) -> Self {
        let mut list = Self::default();
        for (entry, &(index, data)) in list.entries.iter_mut().zip(msrs) {
            *entry = kvm_msr_entry { index, reserved: 0, data };
            list.count += 1;
        }
        list
    }
}

/// `kvm_cpuid2` with its entries.
#[repr(C)]
pub(crate) struct Cpuid {
    pub(crate) count: u32,
    pub(crate) padding: u32,
    pub(crate) entries: [kvm_cpuid_entry2; CPUID_ROOM],
}

impl Cpuid {
    /// Room for `count` entries.
    pub(crate) fn with_room(count: u32) -> Self {
        let count = count.min(CPUID_ROOM as u32);
        Self { count, padding: 0, entries: [kvm_cpuid_entry2::default(); CPUID_ROOM] }
    }
}

/// `kvm_signal_mask` with the kernel's set of signals.
#[repr(C, packed(4))]
pub(crate) struct SignalMask {
    pub(crate) length: u32,
    pub(crate) signals: u64,
}

/// `kvm_irqchip` with the state of a chip as bytes.
#[repr(C)]
pub(crate) struct ChipState {
    pub(crate) chip_id: u32,
    pub(crate) padding: u32,
    pub(crate) bytes: [u8; 512],
}

const _: () = assert!(size_of::<ChipState>() == size_of::<kvm_irqchip>());

impl ChipState {
    /// Room for the state of a chip.
    pub(crate) fn of(chip_id: u32) -> Self {
        Self { chip_id, padding: 0, bytes: [0; 512] }
    }
}

/// `kvm_xsave` as it is without dynamic components.
#[repr(C)]
#[derive(Clone)]
pub(crate) struct Xsave(pub(crate) [u32; 1024]);

impl Default for Xsave {
    fn default() -> Self {
        Self([0; 1024])
    }
}
