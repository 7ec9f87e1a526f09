// SPDX-License-Identifier: ISC
/* The rows. Help texts are what katamichi.conf(5) says about each key. */
#include "rx_table.h"

#include "fec.h"
#include "log.h"
#include "scan.h"
#include "stream.h"

static const struct conf_name kinds[] = {
	{"files", RX_KIND_FILES},
	{"datagram", RX_KIND_DATAGRAM},
	{"state", RX_KIND_STATE},
	{"stream", RX_KIND_STREAM},
	{NULL, 0},
};

static const struct conf_name gaps[] = {
	{"close", RX_GAP_CLOSE},
	{"mark", RX_GAP_MARK},
	{NULL, 0},
};

static const struct conf_name framings[] = {
	{"ethernet", RX_FRAMING_ETHERNET},
	{"udp", RX_FRAMING_UDP},
	{NULL, 0},
};

static const struct conf_name captures[] = {
	{"auto", RX_CAPTURE_AUTO},
	{"ring", RX_CAPTURE_RING},
	{"xdp", RX_CAPTURE_XDP},
	{"pcap", RX_CAPTURE_PCAP},
	{NULL, 0},
};

static const struct conf_name replaces[] = {
	{"generation", RX_REPLACE_GENERATION},
	{"refuse", RX_REPLACE_REFUSE},
	{NULL, 0},
};

static const struct conf_name kernels[] = {
	{"auto", FEC_KERNEL_AUTO},	 {"scalar", FEC_KERNEL_SCALAR},
	{"neon", FEC_KERNEL_NEON},	 {"ssse3", FEC_KERNEL_SSSE3},
	{"avx2", FEC_KERNEL_AVX2},	 {"gfni256", FEC_KERNEL_GFNI256},
	{"gfni512", FEC_KERNEL_GFNI512}, {NULL, 0},
};

static const struct conf_name pinnings[] = {
	{"auto", 1},
	{"none", 0},
	{NULL, 0},
};

static const struct conf_name sandboxes[] = {
	{"strict", 0},
	{"permissive", 1},
	{NULL, 0},
};

static const struct conf_name levels[] = {
	{"err", LOG_ERR},   {"warning", LOG_WARNING}, {"notice", LOG_NOTICE},
	{"info", LOG_INFO}, {"debug", LOG_DEBUG},     {NULL, 0},
};

#define GLOBAL(field, key, kind, ...) CONF_ROW(struct rx_raw, field, key, kind, __VA_ARGS__)
#define CHANNEL(field, key, kind, ...)                                                     \
	CONF_ROW(struct rx_raw_channel, field, key, kind, __VA_ARGS__)

#define NS_MS UINT64_C(1000000)
#define NS_S UINT64_C(1000000000)
#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static const struct conf_row global_rows[] = {
	GLOBAL(name, "name", CONF_STRING, .def = "katamichi-rx",
	       .help = "Name of this receiver for people; shown in the log and by status."),
	GLOBAL(interface, "interface", CONF_STRING, .required = true,
	       .help = "Network interface that comes from the diode."),
	GLOBAL(ethertype, "ethertype", CONF_HEX16, .def = "0x88b5", .min = 0x0600,
	       .max = 0xffff,
	       .help = "EtherType of the frames; the same on both sides. Not used by "
		       "framing udp."),
	GLOBAL(vlan, "vlan", CONF_U64, .min = 1, .max = 4094,
	       .help = "Identifier of the one 802.1Q tag of the frames. Not set: no tag."),
	GLOBAL(framing, "framing", CONF_ENUM, .def = "ethernet", .names = framings,
	       .help = "What stands around a frame: an Ethernet header alone, or IPv4 and "
		       "UDP with the static addresses below too. The same on both sides."),
	GLOBAL(udp_src, "udp_src", CONF_ENDPOINT,
	       .help = "Source address and port of framing udp. Not set: any, for devices "
		       "that put their own in."),
	GLOBAL(udp_dst, "udp_dst", CONF_ENDPOINT,
	       .help = "Destination address and port of framing udp. This host must not "
		       "have the address: it would answer."),
	GLOBAL(mtu, "mtu", CONF_U64, .min = WIRE_MTU_MIN, .max = WIRE_MTU_MAX,
	       .help = "Bytes of a frame after its Ethernet header. Not set: the "
		       "interface's. "
		       "At least the transmitter's."),
	GLOBAL(environment, "environment", CONF_U64, .def = "1", .min = 1, .max = 65535,
	       .help = "Number of the environment (production, test). Sessions of another "
		       "one are refused."),
	GLOBAL(capture, "capture", CONF_ENUM, .def = "auto", .names = captures,
	       .help = "How frames are taken: the kernel's mapped ring; AF_XDP (xdp), by "
		       "which nothing else of this host hears the port; libpcap (pcap); or "
		       "auto, AF_XDP where the driver gives frames without copying, else "
		       "the "
		       "ring, and libpcap where the ring is refused."),
	GLOBAL(ring_bytes, "ring", CONF_SIZE, .def = "64 MiB", .min = 1 * MIB,
	       .max = 4 * GIB,
	       .help = "Receive ring: what comes while we are not on the processor waits "
		       "here. net.core.rmem_max does not limit it."),
	GLOBAL(retire_ns, "retire", CONF_DURATION, .def = "2 ms", .min = NS_MS,
	       .max = 100 * NS_MS,
	       .help = "A partly filled block of the ring is handed over after this time."),
	GLOBAL(realtime_bytes, "realtime_ring", CONF_SIZE, .def = "16 MiB", .max = GIB,
	       .help = "Second receive ring, for frames of class realtime only: they are "
		       "handed over one by one, without retire. 0: one ring takes all "
		       "classes."),
	GLOBAL(spin, "spin", CONF_BOOL, .def = "no",
	       .help = "Look at the realtime ring without sleeping. Saves the wake-up; "
		       "costs one processor core at all times."),
	GLOBAL(pool_bytes, "pool", CONF_SIZE, .def = "256 MiB", .min = 1 * MIB,
	       .max = 64 * GIB,
	       .help = "Memory for all open windows, faulted in at start. When it is full "
		       "the "
		       "oldest window goes and its losses are named."),
	GLOBAL(hold_bytes, "hold", CONF_SIZE, .def = "16 MiB", .min = 64 << 10, .max = GIB,
	       .help = "Memory for frames of a session whose announce has not come yet."),
	GLOBAL(state_dir, "state_dir", CONF_PATH, .def = "/var/lib/katamichi-rx",
	       .help = "Directory of replay floors, ledgers and journals. Losing it lets "
		       "old "
		       "recordings be replayed."),
	GLOBAL(run_dir, "run_dir", CONF_PATH, .def = "/run/katamichi-rx",
	       .help = "Directory of the pid file and the counters."),
	GLOBAL(key, "key", CONF_PATH, .def = "/etc/katamichi/rx.key",
	       .help = "Secret key of this receiver, made by keygen, mode 0600."),
	GLOBAL(trust, "trust", CONF_LIST, .required = true,
	       .help = "Public key files (minisign) of the transmitters that are believed, "
		       "separated by commas; at most 16."),
	GLOBAL(retired, "retired", CONF_LIST,
	       .help = "Public key files of transmitters that have been replaced, "
		       "separated "
		       "by commas; at most 16. They open no session; what they signed is "
		       "still believed. Leave out what was stolen."),
	GLOBAL(passphrase_file, "passphrase_file", CONF_PATH,
	       .help = "File whose first line is the passphrase of the secret key, "
		       "readable "
		       "to nobody but owner and group; a credential of the service "
		       "manager. "
		       "Needed when the key is under one: the daemon never asks, because "
		       "it "
		       "starts its roles again by itself."),
	GLOBAL(key_warning_ns, "key_warning", CONF_DURATION, .def = "30 d",
	       .max = 3650 * UINT64_C(86400) * NS_S,
	       .help = "So long before the date of a key the log warns of it, every day. A "
		       "date stops nothing."),
	GLOBAL(silent_ns, "silent", CONF_DURATION, .def = "5 s", .min = NS_S,
	       .max = 24 * 3600 * NS_S,
	       .help = "Silence on the link after which the alarm is raised."),
	GLOBAL(user, "user", CONF_STRING,
	       .help = "User whose rights the roles take; the key file must be theirs. Not "
		       "set: "
		       "the one that started the daemon."),
	GLOBAL(scan_user, "scan_user", CONF_STRING,
	       .help = "User whose rights the role scan and the programs it runs take, so "
		       "that files and keys of the others are closed to them. Not set: "
		       "that of "
		       "user."),
	GLOBAL(scan_paths, "scan_paths", CONF_LIST,
	       .help = "Files and directories that programs of scan may read and run "
		       "beside themselves and the system's libraries, separated by commas; "
		       "at most 16."),
	GLOBAL(fec_kernel, "fec_kernel", CONF_ENUM, .def = "auto", .names = kernels,
	       .help = "Instruction set of the erasure coder; auto takes the best that "
		       "passes "
		       "its self-test."),
	GLOBAL(cores, "cores", CONF_ENUM, .def = "auto", .names = pinnings,
	       .help = "auto: where the daemon may run on processors enough, each busy "
		       "thread gets one for itself, and the first ones stay for the rest "
		       "of the host. none: the scheduler places them."),
	GLOBAL(sandbox, "sandbox", CONF_ENUM, .def = "strict", .names = sandboxes,
	       .help = "strict: refuse to start where the kernel cannot hold every role in "
		       "its cage. permissive: do without the walls that this kernel lacks, "
		       "and say so at every start and in status."),
	GLOBAL(log_level, "log_level", CONF_ENUM, .def = "info", .names = levels,
	       .help = "Least important messages that are still written."),
	GLOBAL(summary_ns, "summary", CONF_DURATION, .def = "60 s", .min = NS_S,
	       .max = 24 * 3600 * NS_S,
	       .help = "Time between two summary lines in the log."),
	GLOBAL(metrics, "metrics", CONF_PATH,
	       .help = "File in Prometheus' text format, written every 5 s with all "
		       "counters, for "
		       "the textfile collector of node_exporter: its name ends in .prom. "
		       "Removed when the daemon stops. Not set: none."),
};

static const struct conf_row channel_rows[] = {
	CHANNEL(number, "number", CONF_U64, .required = true, .min = 1, .max = 65535,
		.help = "Number of the channel on the wire; the same on both sides."),
	CHANNEL(kind, "kind", CONF_ENUM, .required = true, .names = kinds,
		.help = "What the channel carries: files; datagrams; state, the latest "
			"value of each key; or stream, the bytes of connections. Keys of "
			"the other kinds are ignored."),
	CHANNEL(owner, "owner", CONF_STRING, .required = true,
		.help = "Who answers for the data on this side."),
	CHANNEL(purpose, "purpose", CONF_STRING, .required = true,
		.help = "What the data is for."),
	CHANNEL(classification, "classification", CONF_STRING, .required = true,
		.help = "Classification of the data."),
	CHANNEL(root, "root", CONF_PATH,
		.help = "Directory of a files channel, which needs it: verified files "
			"appear below tree, their "
			"manifests in manifests, former contents in generations."),
	CHANNEL(replace, "replace", CONF_ENUM, .def = "generation", .names = replaces,
		.help = "A path sent again: generation puts the new content in place and "
			"keeps "
			"the former; refuse quarantines the new one."),
	CHANNEL(keep_generations, "keep_generations", CONF_U64, .def = "10", .max = 100000,
		.help = "Former contents kept for each path."),
	CHANNEL(keep_days, "keep_days", CONF_U64, .def = "30", .max = 3650,
		.help = "Days for which former contents are kept."),
	CHANNEL(max_object, "max_object", CONF_SIZE, .def = "1 TiB", .min = 1,
		.max = UINT64_C(1) << 50, .help = "Larger objects are refused."),
	CHANNEL(min_free, "min_free", CONF_SIZE, .def = "1 GiB",
		.help = "Free space of the root's file system that is never used."),
	CHANNEL(file_mode, "file_mode", CONF_STRING, .def = "0644",
		.help = "Mode of published files, octal; the sender's is never used."),
	CHANNEL(dir_mode, "dir_mode", CONF_STRING, .def = "0755",
		.help = "Mode of published directories, octal."),
	CHANNEL(scan, "scan", CONF_STRING,
		.help = "Program, with its arguments, that looks at each file before it is "
			"published, which it reads from its standard input: exit code 0 "
			"lets it pass, 1 rejects it, anything else and silence are errors. "
			"What does not pass goes to quarantine. Not set: nothing looks."),
	CHANNEL(scan_timeout_ns, "scan_timeout", CONF_DURATION, .def = "60 s",
		.min = 100 * NS_MS, .max = 3600 * NS_S,
		.help = "Time that the program has for one file, and as much of a "
			"processor; then it is killed."),
	CHANNEL(scan_jobs, "scan_jobs", CONF_U64, .def = "2", .min = 1,
		.max = SCAN_JOBS_MAX,
		.help = "Files of the channel that are looked at at once."),
	CHANNEL(fec_k, "fec_k", CONF_U64, .def = "160", .min = 1, .max = 255,
		.help = "The transmitter's fec_k. Frames say their geometry themselves: "
			"this "
			"and the next two only let check judge the pool."),
	CHANNEL(fec_m, "fec_m", CONF_U64, .def = "16", .max = 128,
		.help = "The transmitter's fec_m, for the same purpose."),
	CHANNEL(fec_depth, "fec_depth", CONF_U64, .def = "63", .min = 1,
		.max = WIRE_DEPTH_MAX,
		.help = "The transmitter's fec_depth, for the same purpose."),
	CHANNEL(deliver, "deliver", CONF_END,
		.help = "Where a live channel, which needs it, brings its messages: an "
			"address and a port, never reached by the diode port, or the path "
			"of a consumer's socket; kind = datagram also takes the address of "
			"a group (multicast). With kind = state consumers connect to "
			"it: an address of this host, served only at the interface that "
			"has it, or a path. With kind = stream also the path of a "
			"FIFO, after fifo:."),
	CHANNEL(deliver_interface, "deliver_interface", CONF_STRING,
		.help = "Interface by which messages leave to the group in deliver, which "
			"needs it. Never the diode port, nor what stands on it."),
	CHANNEL(deliver_ttl, "deliver_ttl", CONF_U64, .def = "1", .min = 1, .max = 255,
		.help = "Time to live of what is sent to a group: 1 stays on the network "
			"of "
			"deliver_interface."),
	CHANNEL(deliver_buffer, "deliver_buffer", CONF_SIZE, .def = "1 MiB",
		.min = 64 * KIB, .max = GIB,
		.help = "What may be on its way to the consumer of a live channel; what "
			"comes when it is full is dropped, counted and named. Limited by "
			"net.core.wmem_max unless started by root."),
	CHANNEL(hold_back_ns, "hold_back", CONF_DURATION, .def = "50 ms", .min = NS_MS,
		.max = 10 * NS_S,
		.help = "How long a missing message may hold back those behind it, in the "
			"hope of repair; longer than the transmitter's close."),
	CHANNEL(socket_mode, "socket_mode", CONF_STRING, .def = "0660",
		.help = "Mode of the path in deliver where consumers connect to it, "
			"octal; it belongs to user and its group."),
	CHANNEL(stale_ns, "stale_after", CONF_DURATION, .def = "30 s", .min = 100 * NS_MS,
		.max = UINT64_C(86400) * NS_S,
		.help = "A value of a channel of kind state that is older is marked stale; "
			"when nothing new comes for so long it is told, and again after "
			"three times as long."),
	CHANNEL(max_keys, "max_keys", CONF_U64, .def = "10000", .min = 1, .max = 1000000,
		.help = "Keys of a channel of kind state; a further one takes the place "
			"of a stale one, or is dropped and counted."),
	CHANNEL(max_table, "max_table", CONF_SIZE, .def = "64 MiB", .min = 64 * KIB,
		.max = 4 * GIB,
		.help = "Bytes of keys and values of a channel of kind state; as "
			"max_keys."),
	CHANNEL(file, "file", CONF_PATH,
		.help = "File into which a channel of kind state writes its table as JSON, "
			"of mode file_mode, replaced as a whole. Its directory should hold "
			"nothing else: the role may do in it as it likes."),
	CHANNEL(file_every_ns, "file_every", CONF_DURATION, .def = "1 s",
		.min = 100 * NS_MS, .max = 3600 * NS_S,
		.help = "The file is written at most so often, and when something has "
			"changed."),
	CHANNEL(connections, "connections", CONF_U64, .def = "16", .min = 1,
		.max = STREAM_OPEN_MAX,
		.help = "Streams of a stream channel at a time, each with a consumer of "
			"its "
			"own; one more is not delivered, and counted. As many again may "
			"have ended while their consumers take the rest. A FIFO is one."),
	CHANNEL(consumer_buffer, "consumer_buffer", CONF_SIZE, .def = "1 MiB",
		.min = 64 * KIB, .max = GIB,
		.help = "What may wait for one consumer of a stream channel, there or not. "
			"One that takes less than comes is cut off when it is full."),
	CHANNEL(gap, "gap", CONF_ENUM, .def = "close", .names = gaps,
		.help = "What a consumer of a stream channel meets where bytes were lost: "
			"close ends its connection there, for good; mark puts a line with "
			"gap_text in their place and goes on, for protocols of lines."),
	CHANNEL(gap_text, "gap_text", CONF_STRING, .def = "[katamichi: %u bytes lost]",
		.help = "The line that stands for lost bytes; %u is their number."),
};

static const struct conf_section sections[] = {
	{.name = "receiver",
	 .required = true,
	 .rows = global_rows,
	 .n_rows = KM_COUNT(global_rows),
	 .help = "The daemon and its link."},
	{.name = "channel",
	 .has_arg = true,
	 .offset = offsetof(struct rx_raw, channel),
	 .stride = sizeof(struct rx_raw_channel),
	 .max = WIRE_CHANNELS_MAX,
	 .count_offset = offsetof(struct rx_raw, channels),
	 .arg_offset = offsetof(struct rx_raw_channel, name),
	 .rows = channel_rows,
	 .n_rows = KM_COUNT(channel_rows),
	 .help = "One flow of files or datagrams. There is none by default."},
};

const struct conf_table rx_table = {sections, KM_COUNT(sections)};
