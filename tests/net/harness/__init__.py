# SPDX-License-Identifier: ISC
"""What the network tests stand on: namespaces and veth pairs, processes, the link
emulator, file trees, TAP. Python standard library only.

    cleanup   what has to be undone when a test ends, however it ends
    tap       tests, checks, skips, the seed
    netns     namespaces and the path tx -> emulator -> rx
    procs     processes in namespaces, waiting for a line, roles of a daemon
    emu       the link emulator: start, control, list, summary
    aim       kill -9 at a point of a process's work
    interpose a clock and a kernel as they might be
    tree      make and compare directory trees
    config    INI files
    stats     interface counters, memory of a process, status of a daemon
    rawframe  frames by hand, raw sockets inside a namespace, pcap files
"""
