//! Entries check the event to inject.

use super::{
    entry_walk::{BITS, cases, walk},
    legality::{Column, Place, events},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    vocabulary::{Needs, Text},
};

cases! { VmxEntryControls;
    /// No bit of interruption information that is not valid is checked.
    entry_checks_event_interruption_invalid events::INTERRUPTION_INVALID;
    /// Entries refuse interruption information with reserved bits.
    entry_checks_event_interruption_reserved events::INTERRUPTION_RESERVED;
    /// Entries refuse the reserved type of events, whatever its vector.
    entry_checks_event_interruption_type events::INTERRUPTION_TYPE;
    /// Entries refuse an NMI with a vector other than 2.
    entry_checks_event_nmi_vector events::NMI_VECTOR;
    /// Entries refuse a hardware exception with a vector above 31.
    entry_checks_event_hardware_exception_vector events::HARDWARE_EXCEPTION_VECTOR;
    /// Entries refuse another event with a vector other than 0.
    entry_checks_event_other_event_vector events::OTHER_EVENT_VECTOR;
    /// Entries refuse an exception that has an error code without one.
    entry_checks_event_error_code_due events::ERROR_CODE_DUE;
    /// Entries refuse an error code for an exception that has none.
    entry_checks_event_error_code_of_other_exceptions events::ERROR_CODE_OF_OTHER_EXCEPTIONS;
    /// Where IA32_VMX_BASIC says so, any hardware exception is injected with and without an error code.
    entry_checks_event_error_code_free events::ERROR_CODE_FREE;
    /// Entries refuse an error code for an exception of real mode.
    entry_checks_event_error_code_of_real_mode events::ERROR_CODE_OF_REAL_MODE, VMX_UNRESTRICTED;
    /// Entries refuse an error code for what is no hardware exception.
    entry_checks_event_error_code_of_other_types events::ERROR_CODE_OF_OTHER_TYPES;
    /// Entries refuse an error code with bits above bit 15.
    entry_checks_event_error_code_reserved events::ERROR_CODE_RESERVED;
    /// Without an error code to deliver no bit of it is checked.
    entry_checks_event_error_code_unused events::ERROR_CODE_UNUSED;
    /// Entries refuse a software interrupt of more than 15 bytes.
    entry_checks_event_software_interrupt_length events::SOFTWARE_INTERRUPT_LENGTH;
    /// Entries refuse a privileged software exception of more than 15 bytes.
    entry_checks_event_privileged_software_exception_length events::PRIVILEGED_SOFTWARE_EXCEPTION_LENGTH;
    /// Entries refuse a software exception of more than 15 bytes.
    entry_checks_event_software_exception_length events::SOFTWARE_EXCEPTION_LENGTH;
    /// Entries refuse a software interrupt of no bytes unless IA32_VMX_MISC allows it.
    entry_checks_event_length_zero events::LENGTH_ZERO;
    /// The instruction length of a hardware exception is not checked.
    entry_checks_event_length_unused events::LENGTH_UNUSED;
}
