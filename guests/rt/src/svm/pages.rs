//! Pages of the hypervisor that the image is, and of its guest.

use crate::tables::Shared;

pub(super) static HOST_SAVE_AREA: Shared<[u8; 4096]> = Shared::new([0; 4096]);
pub(super) static HOST_STATE: Shared<[u8; 4096]> = Shared::new([0; 4096]);
pub(super) static VMCB: Shared<[u8; 4096]> = Shared::new([0; 4096]);
/// The VMCB as a guest starts with it.
pub(super) static TEMPLATE: Shared<[u8; 4096]> = Shared::new([0; 4096]);
/// 12 KiB, and one byte behind for ports that begin at the last bit.
pub(super) static IO_MAP: Shared<[u8; 4 * 4096]> = Shared::new([0; 4 * 4096]);
pub(super) static MSR_MAP: Shared<[u8; 2 * 4096]> = Shared::new([0; 2 * 4096]);
pub(super) static STACK: Shared<[u8; 2 * 4096]> = Shared::new([0; 2 * 4096]);
/// L2's stack for CPL 0, where it is at CPL 3.
pub(super) static STACK_0: Shared<[u8; 4096]> = Shared::new([0; 4096]);
/// L2's TSS, with [`STACK_0`] and no map of ports.
pub(super) static TSS: Shared<[u8; 4096]> = Shared::new([0; 4096]);
/// L2's IDT.
pub(super) static IDT: Shared<[u64; 512]> = Shared::new([0; 512]);
