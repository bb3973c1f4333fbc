//! The debugger's side of the protocol, by hand.

use crate::guest::{CODE, config, exit_with_eax, hypervisor, image};
use iced_x86::code_asm::*;
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};
use vmm::{Irqchip, NoObserver, StopReason, Stopped, Vm, VmConfig, gdb::DebugError};

/// A guest that never answers is a failure and not a hang.
const PATIENCE: Duration = Duration::from_secs(20);

struct Debugger<S>(S);

impl<S: Read + Write> Debugger<S> {
    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        self.0.write_all(format!("${packet}#{sum:02x}").as_bytes()).unwrap();
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.0.read_exact(&mut byte).unwrap();
        byte[0]
    }

    fn receive(&mut self) -> String {
        while self.byte() != b'$' {}
        let mut packet = Vec::new();
        loop {
            match self.byte() {
                b'#' => break,
                // Run-length encoding: the byte before, so many times more.
                b'*' => {
                    let (last, count) = (*packet.last().unwrap(), self.byte() - 29);
                    packet.extend(std::iter::repeat_n(last, count.into()));
                }
                byte => packet.push(byte),
            }
        }
        let _sum = [self.byte(), self.byte()];
        // After the last packet there may be no one left to acknowledge it to.
        let _ = self.0.write_all(b"+");
        String::from_utf8(packet).unwrap()
    }

    fn ask(&mut self, packet: &str) -> String {
        self.send(packet);
        self.receive()
    }

    fn register(&mut self, offset: usize) -> u64 {
        let all = self.ask("g");
        u64::from_str_radix(&all[16 * offset..16 * (offset + 1)], 16).unwrap().swap_bytes()
    }

    fn rip(&mut self) -> u64 {
        self.register(16)
    }
}

/// Runs a guest of a NOP, `mov eax, 7`, a loop if asked for, and the debug exit.
fn debug(spins: bool, session: impl FnOnce(&mut Debugger<&UnixStream>) + Send) -> Result<Stopped, DebugError> {
    let image = image(32, |a| {
        a.nop().unwrap();
        a.mov(eax, 7).unwrap();
        let mut here = a.create_label();
        a.set_label(&mut here).unwrap();
        if spins {
            a.jmp(here).unwrap();
        }
        a.zero_bytes().unwrap();
        exit_with_eax(a);
    });
    let mut vm = Vm::new(&hypervisor(), &image, config()).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            session(&mut Debugger(&ours));
            // A kill is still acknowledged: close only once that has been sent, or the other side has closed.
            ours.shutdown(Shutdown::Write).unwrap();
            let _ = (&ours).read_to_end(&mut Vec::new());
        });
        let result = vm.debug(theirs, &mut NoObserver);
        thread.join().unwrap();
        result
    })
}

#[test]
fn registers_memory_breakpoints_and_steps_work() {
    let stopped = debug(false, |gdb| {
        assert!(gdb.ask("qSupported:hwbreak+;swbreak+").contains("PacketSize"));
        assert!(gdb.ask("?").starts_with(['S', 'T']));
        assert_eq!((gdb.rip(), gdb.register(1)), (CODE, vmm::layout::START_INFO));
        assert_eq!(gdb.ask("m100000,2"), "90b8");
        assert_eq!(gdb.ask("M200000,3:010203"), "OK");
        assert_eq!(gdb.ask("m200000,4"), "01020300");
        // Where there is no memory.
        assert!(gdb.ask("m90000000,4").starts_with('E'));
        assert!(gdb.ask("s").starts_with(['S', 'T']));
        assert_eq!(gdb.rip(), CODE + 1);
        assert_eq!(gdb.ask("Z1,100006,1"), "OK");
        let answer = gdb.ask("c");
        assert!(answer.starts_with("T05") && answer.contains("hwbreak"), "{answer}");
        assert_eq!((gdb.rip(), gdb.register(0)), (CODE + 6, 7));
        // EAX becomes 0x2a.
        let all = gdb.ask("g");
        assert_eq!(gdb.ask(&format!("G2a{}", &all[2..])), "OK");
        assert_eq!(gdb.ask("z1,100006,1"), "OK");
        assert_eq!(gdb.ask("c"), "W2a");
    })
    .unwrap();
    assert_eq!(stopped.reason, StopReason::DebugExit(0x2a));
}

#[test]
fn fifth_breakpoint_is_refused_and_software_ones_leave_memory_alone() {
    let stopped = debug(false, |gdb| {
        for address in ["100001", "200000", "200001", "200002"] {
            assert_eq!(gdb.ask(&format!("Z0,{address},1")), "OK");
        }
        assert!(gdb.ask("Z0,200003,1").starts_with('E'));
        assert_eq!(gdb.ask("m100001,1"), "b8");
        assert!(gdb.ask("c").starts_with("T05"));
        assert_eq!(gdb.rip(), CODE + 1);
        gdb.send("k");
    })
    .unwrap();
    assert_eq!((stopped.reason, stopped.cpu.rip), (StopReason::Requested, CODE + 1));
}

#[test]
fn interrupt_stops_a_spinning_guest_and_kill_ends_it() {
    let stopped = debug(true, |gdb| {
        for _ in 0..3 {
            gdb.send("c");
            gdb.0.write_all(&[3]).unwrap();
            let answer = gdb.receive();
            assert!(answer.contains("02"), "{answer}");
            assert!((CODE..=CODE + 6).contains(&gdb.rip()));
        }
        gdb.send("k");
    })
    .unwrap();
    assert_eq!(stopped.reason, StopReason::Requested);
}

#[test]
fn guest_runs_on_when_the_debugger_detaches() {
    let stopped = debug(false, |gdb| {
        assert_eq!(gdb.ask("Z1,100006,1"), "OK");
        // KVM is told of the breakpoint when the guest goes on.
        assert!(gdb.ask("s").starts_with(['S', 'T']));
        assert_eq!(gdb.ask("D"), "OK");
    })
    .unwrap();
    // The step and the debug exit.
    assert_eq!((stopped.reason, stopped.nr_exits), (StopReason::DebugExit(7), 2));
}

#[test]
fn debugger_that_vanishes_is_an_error() {
    for running in [false, true] {
        let error = debug(true, |gdb| {
            if running {
                gdb.send("c");
            }
        })
        .unwrap_err();
        assert!(matches!(error, DebugError::Connection(_)), "{error:?}");
    }
}

#[test]
fn triple_fault_is_a_signal_first() {
    let image = image(32, |a| a.ud2().unwrap());
    let mut vm = Vm::new(&hypervisor(), &image, config()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stopped = thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut gdb = Debugger(stream);
            assert_eq!(gdb.ask("c"), "S0b");
            gdb.rip();
            assert_eq!(gdb.ask("c"), "X0b");
        });
        let (connection, _) = listener.accept().unwrap();
        let stopped = vm.debug(connection, &mut NoObserver).unwrap();
        thread.join().unwrap();
        stopped
    });
    assert_eq!(stopped.reason, StopReason::Shutdown);
}

#[test]
fn several_vcpus_are_refused() {
    let config = VmConfig { nr_vcpus: 2, irqchip: Irqchip::Split, ..config() };
    let mut vm = Vm::new(&hypervisor(), &image(32, |a| a.hlt().unwrap()), config).unwrap();
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let error = vm.debug(theirs, &mut NoObserver).unwrap_err();
    assert!(matches!(error, DebugError::ManyVcpus { nr_vcpus: 2 }), "{error:?}");
}
