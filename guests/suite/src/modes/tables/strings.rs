//! String instructions with each operand size, address size and kind of repetition.
//!
//! Source: SDM vol. 2, "REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix" and the page of each instruction.

use super::super::model::{DF, Input, Repeat, STATUS, StringOperation, register::*};

const fn input(eax: u32, ecx: u32, esi: u32, edi: u32, flags: u32) -> Input {
    let mut general = [eax, ecx, 2, 3, 0xe000, 5, 0, 0];
    (general[ESI], general[EDI]) = (esi, edi);
    Input { general, flags }
}

/// For address size 16: the upper halves of ECX, ESI and EDI are no part of count and addresses, and stay.
pub(crate) const INPUTS_16: [Input; 5] = [
    input(0x8182_8384, 0x7ff0_0003, 0xdead_5000, 0xbeef_5004, STATUS),
    input(0x1122_3344, 0x7ff0_0003, 0xdead_5008, 0xbeef_500c, DF),
    input(0x1122_3344, 0x7ff0_0000, 0xdead_5000, 0xbeef_5004, 0),
    input(0x5566_7788, 0x7ff0_0001, 0xdead_5004, 0xbeef_5004, STATUS),
    input(0x5566_7788, 0x7ff0_0002, 0xdead_5008, 0xbeef_5008, DF),
];
/// The same for address size 32.
pub(crate) const INPUTS_32: [Input; 5] = [
    input(0x8182_8384, 3, 0x5000, 0x5004, STATUS),
    input(0x1122_3344, 3, 0x5008, 0x500c, DF),
    input(0x1122_3344, 0, 0x5000, 0x5004, 0),
    input(0x5566_7788, 1, 0x5004, 0x5004, STATUS),
    input(0x5566_7788, 2, 0x5008, 0x5008, DF),
];

table! { MOVS_16:
    "MOVSB, address size 16" = "movsb byte ptr es:[di], byte ptr [si]" =>
        |m| m.string(StringOperation::Movs, 1, Repeat::None, 2),
    "MOVSW, address size 16" = "movsw word ptr es:[di], word ptr [si]" =>
        |m| m.string(StringOperation::Movs, 2, Repeat::None, 2),
    "MOVSD, address size 16" = "movsd dword ptr es:[di], dword ptr [si]" =>
        |m| m.string(StringOperation::Movs, 4, Repeat::None, 2),
    "REP MOVSB, address size 16" = "rep movsb byte ptr es:[di], byte ptr [si]" =>
        |m| m.string(StringOperation::Movs, 1, Repeat::Equal, 2),
    "REP MOVSW, address size 16" = "rep movsw word ptr es:[di], word ptr [si]" =>
        |m| m.string(StringOperation::Movs, 2, Repeat::Equal, 2),
    "REP MOVSD, address size 16" = "rep movsd dword ptr es:[di], dword ptr [si]" =>
        |m| m.string(StringOperation::Movs, 4, Repeat::Equal, 2),
}

table! { STOS_16:
    "STOSB, address size 16" = "stosb byte ptr es:[di], al" =>
        |m| m.string(StringOperation::Stos, 1, Repeat::None, 2),
    "STOSW, address size 16" = "stosw word ptr es:[di], ax" =>
        |m| m.string(StringOperation::Stos, 2, Repeat::None, 2),
    "STOSD, address size 16" = "stosd dword ptr es:[di], eax" =>
        |m| m.string(StringOperation::Stos, 4, Repeat::None, 2),
    "REP STOSB, address size 16" = "rep stosb byte ptr es:[di], al" =>
        |m| m.string(StringOperation::Stos, 1, Repeat::Equal, 2),
    "REP STOSW, address size 16" = "rep stosw word ptr es:[di], ax" =>
        |m| m.string(StringOperation::Stos, 2, Repeat::Equal, 2),
    "REP STOSD, address size 16" = "rep stosd dword ptr es:[di], eax" =>
        |m| m.string(StringOperation::Stos, 4, Repeat::Equal, 2),
}

table! { LODS_16:
    "LODSB, address size 16" = "lodsb al, byte ptr [si]" =>
        |m| m.string(StringOperation::Lods, 1, Repeat::None, 2),
    "LODSW, address size 16" = "lodsw ax, word ptr [si]" =>
        |m| m.string(StringOperation::Lods, 2, Repeat::None, 2),
    "LODSD, address size 16" = "lodsd eax, dword ptr [si]" =>
        |m| m.string(StringOperation::Lods, 4, Repeat::None, 2),
    "REP LODSB, address size 16" = "rep lodsb al, byte ptr [si]" =>
        |m| m.string(StringOperation::Lods, 1, Repeat::Equal, 2),
    "REP LODSW, address size 16" = "rep lodsw ax, word ptr [si]" =>
        |m| m.string(StringOperation::Lods, 2, Repeat::Equal, 2),
    "REP LODSD, address size 16" = "rep lodsd eax, dword ptr [si]" =>
        |m| m.string(StringOperation::Lods, 4, Repeat::Equal, 2),
}

table! { CMPS_16:
    "CMPSB, address size 16" = "cmpsb byte ptr [si], byte ptr es:[di]" =>
        |m| m.string(StringOperation::Cmps, 1, Repeat::None, 2),
    "CMPSW, address size 16" = "cmpsw word ptr [si], word ptr es:[di]" =>
        |m| m.string(StringOperation::Cmps, 2, Repeat::None, 2),
    "CMPSD, address size 16" = "cmpsd dword ptr [si], dword ptr es:[di]" =>
        |m| m.string(StringOperation::Cmps, 4, Repeat::None, 2),
    "REPE CMPSB, address size 16" = "repe cmpsb byte ptr [si], byte ptr es:[di]" =>
        |m| m.string(StringOperation::Cmps, 1, Repeat::Equal, 2),
    "REPE CMPSW, address size 16" = "repe cmpsw word ptr [si], word ptr es:[di]" =>
        |m| m.string(StringOperation::Cmps, 2, Repeat::Equal, 2),
    "REPE CMPSD, address size 16" = "repe cmpsd dword ptr [si], dword ptr es:[di]" =>
        |m| m.string(StringOperation::Cmps, 4, Repeat::Equal, 2),
    "REPNE CMPSB, address size 16" = "repne cmpsb byte ptr [si], byte ptr es:[di]" =>
        |m| m.string(StringOperation::Cmps, 1, Repeat::NotEqual, 2),
    "REPNE CMPSW, address size 16" = "repne cmpsw word ptr [si], word ptr es:[di]" =>
        |m| m.string(StringOperation::Cmps, 2, Repeat::NotEqual, 2),
    "REPNE CMPSD, address size 16" = "repne cmpsd dword ptr [si], dword ptr es:[di]" =>
        |m| m.string(StringOperation::Cmps, 4, Repeat::NotEqual, 2),
}

table! { SCAS_16:
    "SCASB, address size 16" = "scasb al, byte ptr es:[di]" =>
        |m| m.string(StringOperation::Scas, 1, Repeat::None, 2),
    "SCASW, address size 16" = "scasw ax, word ptr es:[di]" =>
        |m| m.string(StringOperation::Scas, 2, Repeat::None, 2),
    "SCASD, address size 16" = "scasd eax, dword ptr es:[di]" =>
        |m| m.string(StringOperation::Scas, 4, Repeat::None, 2),
    "REPE SCASB, address size 16" = "repe scasb al, byte ptr es:[di]" =>
        |m| m.string(StringOperation::Scas, 1, Repeat::Equal, 2),
    "REPE SCASW, address size 16" = "repe scasw ax, word ptr es:[di]" =>
        |m| m.string(StringOperation::Scas, 2, Repeat::Equal, 2),
    "REPE SCASD, address size 16" = "repe scasd eax, dword ptr es:[di]" =>
        |m| m.string(StringOperation::Scas, 4, Repeat::Equal, 2),
    "REPNE SCASB, address size 16" = "repne scasb al, byte ptr es:[di]" =>
        |m| m.string(StringOperation::Scas, 1, Repeat::NotEqual, 2),
    "REPNE SCASW, address size 16" = "repne scasw ax, word ptr es:[di]" =>
        |m| m.string(StringOperation::Scas, 2, Repeat::NotEqual, 2),
    "REPNE SCASD, address size 16" = "repne scasd eax, dword ptr es:[di]" =>
        |m| m.string(StringOperation::Scas, 4, Repeat::NotEqual, 2),
}

table! { MOVS_32:
    "MOVSB, address size 32" = "movsb byte ptr es:[edi], byte ptr [esi]" =>
        |m| m.string(StringOperation::Movs, 1, Repeat::None, 4),
    "MOVSW, address size 32" = "movsw word ptr es:[edi], word ptr [esi]" =>
        |m| m.string(StringOperation::Movs, 2, Repeat::None, 4),
    "MOVSD, address size 32" = "movsd dword ptr es:[edi], dword ptr [esi]" =>
        |m| m.string(StringOperation::Movs, 4, Repeat::None, 4),
    "REP MOVSB, address size 32" = "rep movsb byte ptr es:[edi], byte ptr [esi]" =>
        |m| m.string(StringOperation::Movs, 1, Repeat::Equal, 4),
    "REP MOVSW, address size 32" = "rep movsw word ptr es:[edi], word ptr [esi]" =>
        |m| m.string(StringOperation::Movs, 2, Repeat::Equal, 4),
    "REP MOVSD, address size 32" = "rep movsd dword ptr es:[edi], dword ptr [esi]" =>
        |m| m.string(StringOperation::Movs, 4, Repeat::Equal, 4),
}

table! { STOS_32:
    "STOSB, address size 32" = "stosb byte ptr es:[edi], al" =>
        |m| m.string(StringOperation::Stos, 1, Repeat::None, 4),
    "STOSW, address size 32" = "stosw word ptr es:[edi], ax" =>
        |m| m.string(StringOperation::Stos, 2, Repeat::None, 4),
    "STOSD, address size 32" = "stosd dword ptr es:[edi], eax" =>
        |m| m.string(StringOperation::Stos, 4, Repeat::None, 4),
    "REP STOSB, address size 32" = "rep stosb byte ptr es:[edi], al" =>
        |m| m.string(StringOperation::Stos, 1, Repeat::Equal, 4),
    "REP STOSW, address size 32" = "rep stosw word ptr es:[edi], ax" =>
        |m| m.string(StringOperation::Stos, 2, Repeat::Equal, 4),
    "REP STOSD, address size 32" = "rep stosd dword ptr es:[edi], eax" =>
        |m| m.string(StringOperation::Stos, 4, Repeat::Equal, 4),
}

table! { LODS_32:
    "LODSB, address size 32" = "lodsb al, byte ptr [esi]" =>
        |m| m.string(StringOperation::Lods, 1, Repeat::None, 4),
    "LODSW, address size 32" = "lodsw ax, word ptr [esi]" =>
        |m| m.string(StringOperation::Lods, 2, Repeat::None, 4),
    "LODSD, address size 32" = "lodsd eax, dword ptr [esi]" =>
        |m| m.string(StringOperation::Lods, 4, Repeat::None, 4),
    "REP LODSB, address size 32" = "rep lodsb al, byte ptr [esi]" =>
        |m| m.string(StringOperation::Lods, 1, Repeat::Equal, 4),
    "REP LODSW, address size 32" = "rep lodsw ax, word ptr [esi]" =>
        |m| m.string(StringOperation::Lods, 2, Repeat::Equal, 4),
    "REP LODSD, address size 32" = "rep lodsd eax, dword ptr [esi]" =>
        |m| m.string(StringOperation::Lods, 4, Repeat::Equal, 4),
}

table! { CMPS_32:
    "CMPSB, address size 32" = "cmpsb byte ptr [esi], byte ptr es:[edi]" =>
        |m| m.string(StringOperation::Cmps, 1, Repeat::None, 4),
    "CMPSW, address size 32" = "cmpsw word ptr [esi], word ptr es:[edi]" =>
        |m| m.string(StringOperation::Cmps, 2, Repeat::None, 4),
    "CMPSD, address size 32" = "cmpsd dword ptr [esi], dword ptr es:[edi]" =>
        |m| m.string(StringOperation::Cmps, 4, Repeat::None, 4),
    "REPE CMPSB, address size 32" = "repe cmpsb byte ptr [esi], byte ptr es:[edi]" =>
        |m| m.string(StringOperation::Cmps, 1, Repeat::Equal, 4),
    "REPE CMPSW, address size 32" = "repe cmpsw word ptr [esi], word ptr es:[edi]" =>
        |m| m.string(StringOperation::Cmps, 2, Repeat::Equal, 4),
    "REPE CMPSD, address size 32" = "repe cmpsd dword ptr [esi], dword ptr es:[edi]" =>
        |m| m.string(StringOperation::Cmps, 4, Repeat::Equal, 4),
    "REPNE CMPSB, address size 32" = "repne cmpsb byte ptr [esi], byte ptr es:[edi]" =>
        |m| m.string(StringOperation::Cmps, 1, Repeat::NotEqual, 4),
    "REPNE CMPSW, address size 32" = "repne cmpsw word ptr [esi], word ptr es:[edi]" =>
        |m| m.string(StringOperation::Cmps, 2, Repeat::NotEqual, 4),
    "REPNE CMPSD, address size 32" = "repne cmpsd dword ptr [esi], dword ptr es:[edi]" =>
        |m| m.string(StringOperation::Cmps, 4, Repeat::NotEqual, 4),
}

table! { SCAS_32:
    "SCASB, address size 32" = "scasb al, byte ptr es:[edi]" =>
        |m| m.string(StringOperation::Scas, 1, Repeat::None, 4),
    "SCASW, address size 32" = "scasw ax, word ptr es:[edi]" =>
        |m| m.string(StringOperation::Scas, 2, Repeat::None, 4),
    "SCASD, address size 32" = "scasd eax, dword ptr es:[edi]" =>
        |m| m.string(StringOperation::Scas, 4, Repeat::None, 4),
    "REPE SCASB, address size 32" = "repe scasb al, byte ptr es:[edi]" =>
        |m| m.string(StringOperation::Scas, 1, Repeat::Equal, 4),
    "REPE SCASW, address size 32" = "repe scasw ax, word ptr es:[edi]" =>
        |m| m.string(StringOperation::Scas, 2, Repeat::Equal, 4),
    "REPE SCASD, address size 32" = "repe scasd eax, dword ptr es:[edi]" =>
        |m| m.string(StringOperation::Scas, 4, Repeat::Equal, 4),
    "REPNE SCASB, address size 32" = "repne scasb al, byte ptr es:[edi]" =>
        |m| m.string(StringOperation::Scas, 1, Repeat::NotEqual, 4),
    "REPNE SCASW, address size 32" = "repne scasw ax, word ptr es:[edi]" =>
        |m| m.string(StringOperation::Scas, 2, Repeat::NotEqual, 4),
    "REPNE SCASD, address size 32" = "repne scasd eax, dword ptr es:[edi]" =>
        |m| m.string(StringOperation::Scas, 4, Repeat::NotEqual, 4),
}
