//! What CPL 3 may not do.

use rt::{Outcome, case, check_eq, check_outcome, names, user, user_code};

user_code!(add_one: "lea rax, [rdi + 1]", "ret");
user_code!(halt: "hlt", "ret");
user_code!(clear_ts: "clts", "ret");
user_code!(sse: "pxor xmm0, xmm0", "movq rax, xmm0", "ret");

/// A function called at CPL 3 returns its result.
#[case(feature = Ring3Transitions, spec = sdm2("IRET/IRETD/IRETQ—Interrupt Return"))]
fn call_and_return() {
    let result = user::call(add_one, 41);
    check_outcome!("call", result, Outcome::COMPLETED);
    check_eq!("result", result.unwrap_or(0), 42);
    check_outcome!("SSE", user::call(sse, 0), Outcome::COMPLETED);
}

/// Privileged instructions raise #GP(0) at CPL 3.
#[case(feature = Ring3Privilege, spec = sdm3a("Privileged Instructions"))]
fn privileged_instructions() {
    let table: [extern "C" fn(u64) -> u64; 2] = [halt, clear_ts];
    for (row, function) in table.into_iter().enumerate() {
        check_outcome!("at CPL 3", [names!["HLT", "CLTS"]; row], user::call(function, 0), Outcome::GP);
    }
}
