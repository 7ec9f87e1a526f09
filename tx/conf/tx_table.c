// SPDX-License-Identifier: ISC
/* The rows. Help texts are what katamichi.conf(5) says about each key. */
#include "tx_table.h"

#include "fec.h"
#include "frame.h"
#include "log.h"
#include "stream.h"

static const struct conf_name kinds[] = {
	{"files", TX_KIND_FILES},
	{"datagram", TX_KIND_DATAGRAM},
	{"state", TX_KIND_STATE},
	{"stream", TX_KIND_STREAM},
	{NULL, 0},
};

static const struct conf_name overflows[] = {
	{"wait", TX_OVERFLOW_WAIT},
	{"drop", TX_OVERFLOW_DROP},
	{NULL, 0},
};

static const struct conf_name priorities[] = {
	{"high", FRAME_CLASS_HIGH},
	{"normal", FRAME_CLASS_NORMAL},
	{"low", FRAME_CLASS_LOW},
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

static const struct conf_name framings[] = {
	{"ethernet", TX_FRAMING_ETHERNET},
	{"udp", TX_FRAMING_UDP},
	{NULL, 0},
};

static const struct conf_name backends[] = {
	{"auto", TX_BACKEND_AUTO},
	{"packet", TX_BACKEND_PACKET},
	{"xdp", TX_BACKEND_XDP},
	{NULL, 0},
};

#define GLOBAL(field, key, kind, ...) CONF_ROW(struct tx_raw, field, key, kind, __VA_ARGS__)
#define CHANNEL(field, key, kind, ...)                                                     \
	CONF_ROW(struct tx_raw_channel, field, key, kind, __VA_ARGS__)

#define NS_MS UINT64_C(1000000)
#define NS_S UINT64_C(1000000000)
#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static const struct conf_row global_rows[] = {
	GLOBAL(name, "name", CONF_STRING, .def = "katamichi-tx",
	       .help = "Name of this transmitter for people; shown in the log and by "
		       "status."),
	GLOBAL(interface, "interface", CONF_STRING, .required = true,
	       .help = "Network interface that leads to the diode."),
	GLOBAL(src_mac, "src_mac", CONF_MAC, .def = "02:4b:4d:00:00:01",
	       .help = "Source address of every frame."),
	GLOBAL(dst_mac, "dst_mac", CONF_MAC, .def = "03:4b:4d:00:00:01",
	       .help = "Destination address of every frame; a locally administered group "
		       "address, so that no switch learns or answers."),
	GLOBAL(ethertype, "ethertype", CONF_HEX16, .def = "0x88b5", .min = 0x0600,
	       .max = 0xffff,
	       .help = "EtherType of the frames; the same on both sides. Not used by "
		       "framing udp."),
	GLOBAL(vlan, "vlan", CONF_U64, .min = 1, .max = 4094,
	       .help = "Identifier of the one 802.1Q tag of the frames. Not set: no tag."),
	GLOBAL(framing, "framing", CONF_ENUM, .def = "ethernet", .names = framings,
	       .help = "What stands around a frame: an Ethernet header alone, or IPv4 and "
		       "UDP with the static addresses below too, for devices that pass "
		       "only IP and for segmentation by kernel and NIC. The same on both "
		       "sides."),
	GLOBAL(udp_src, "udp_src", CONF_ENDPOINT,
	       .help = "Source address and port of framing udp. Nobody needs to have the "
		       "address; nothing answers to it."),
	GLOBAL(udp_dst, "udp_dst", CONF_ENDPOINT,
	       .help = "Destination address and port of framing udp. There is no ARP: "
		       "dst_mac says to which station it goes."),
	GLOBAL(segmentation, "segmentation", CONF_BOOL, .def = "yes",
	       .help = "With framing udp, hand trains of datagrams to the kernel to be "
		       "cut there or by the NIC. When the kernel refuses that, and with "
		       "no, each datagram is handed over by itself."),
	GLOBAL(backend, "backend", CONF_ENUM, .def = "auto", .names = backends,
	       .help = "How frames go out: by a packet socket; by AF_XDP (xdp), past the "
		       "kernel's queue disciplines and with framing ethernet only; or "
		       "auto, "
		       "AF_XDP where the driver sends by it without copying and the packet "
		       "socket elsewhere."),
	GLOBAL(mtu, "mtu", CONF_U64, .min = WIRE_MTU_MIN, .max = WIRE_MTU_MAX,
	       .help = "Bytes of a frame after its Ethernet header. Not set: the "
		       "interface's. "
		       "The receiver must take at least as much."),
	GLOBAL(rate_bps, "rate", CONF_RATE, .def = "1 Gbit/s", .min = 64000,
	       .max = UINT64_C(400000000000),
	       .help = "Rate at which frames leave, Ethernet headers included; a little "
		       "below "
		       "what link and receiver take without loss. After a delay it is made "
		       "good at an 8th more."),
	GLOBAL(guarantee, "guarantee", CONF_U64, .def = "5", .min = 1,
	       .max = 100 / LANE_COUNT,
	       .help = "Per cent of what leaves that each class keeps while it has frames "
		       "waiting, whatever higher classes send. Beyond it a higher class "
		       "always goes first."),
	GLOBAL(send_buffer, "send_buffer", CONF_SIZE, .min = 4 * KIB, .max = 64 * MIB,
	       .help = "Send buffer of the link socket. Not set: 212,992 bytes up to MTU "
		       "1,500, "
		       "1,000,000 above, within net.core.wmem_max."),
	GLOBAL(read_ahead, "read_ahead", CONF_SIZE, .def = "16 MiB", .max = 16 * MIB,
	       .help = "Memory for reading one large file ahead, so that its leaves are "
		       "hashed side by side. Less hashes slower; under 2 MiB, and beside "
		       "datagram channels, which would wait for it, one after the other."),
	GLOBAL(workers, "workers", CONF_U64, .min = 1, .max = LANE_WORKERS_MAX,
	       .help = "Threads that read, hash, encode and seal large files at once, each "
		       "with lanes of its own; the first is the loop that does all the "
		       "rest. Each further one takes memory for a window and read_ahead. "
		       "Not set: one for every 4 Gbit/s of rate, as far as there are "
		       "processors beyond two."),
	GLOBAL(environment, "environment", CONF_U64, .def = "1", .min = 1, .max = 65535,
	       .help = "Number of the environment (production, test). A receiver refuses "
		       "sessions of another one."),
	GLOBAL(state_dir, "state_dir", CONF_PATH, .def = "/var/lib/katamichi-tx",
	       .help = "Directory of epoch, numbers, chains and the outbox. Losing it "
		       "begins "
		       "new chains."),
	GLOBAL(run_dir, "run_dir", CONF_PATH, .def = "/run/katamichi-tx",
	       .help = "Directory of the pid file and the counters."),
	GLOBAL(key, "key", CONF_PATH, .def = "/etc/katamichi/tx.key",
	       .help = "Secret signing key, made by keygen, mode 0600."),
	GLOBAL(receivers, "receivers", CONF_LIST, .required = true,
	       .help = "Public key files of the receivers that may read what is sent, "
		       "separated by commas; at most 16."),
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
	GLOBAL(session_ns, "session", CONF_DURATION, .def = "24 h", .min = 60 * NS_S,
	       .max = 24 * 3600 * NS_S,
	       .help = "Age at which the session keys are replaced, without a stop."),
	GLOBAL(user, "user", CONF_STRING,
	       .help = "User whose rights the roles take; the key file must be theirs. Not "
		       "set: "
		       "the one that started the daemon."),
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
		       "and say so at every start and in every heartbeat."),
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
			"value of each key; or stream, the bytes of connections. What is "
			"not files is live and always before "
			"files. Keys of the other kinds are ignored."),
	CHANNEL(owner, "owner", CONF_STRING, .required = true,
		.help = "Who answers for the data; stands in every manifest."),
	CHANNEL(purpose, "purpose", CONF_STRING, .required = true,
		.help = "What the data is for; stands in every manifest."),
	CHANNEL(classification, "classification", CONF_STRING, .required = true,
		.help = "Classification of the data; stands in every manifest."),
	CHANNEL(priority, "priority", CONF_ENUM, .def = "normal", .names = priorities,
		.help = "Class of a files channel's frames; a higher one goes first. "
			"Datagrams are realtime, above all of these."),
	CHANNEL(spool, "spool", CONF_PATH,
		.help = "Directory of a files channel, which needs it. Producers put files "
			"into its subdirectory in; sent files are kept beside it."),
	CHANNEL(settle_ns, "settle", CONF_DURATION, .def = "1 s", .min = 100 * NS_MS,
		.max = 3600 * NS_S,
		.help = "A file not renamed in is taken once it has not changed this "
			"long."),
	CHANNEL(keep_days, "keep_days", CONF_U64, .def = "7", .max = 3650,
		.help = "Days for which sent files are kept for resend."),
	CHANNEL(keep_bytes, "keep_bytes", CONF_SIZE,
		.help = "Most bytes of sent files to keep; the oldest go first. Not set: "
			"no "
			"limit."),
	CHANNEL(min_free, "min_free", CONF_SIZE, .def = "1 GiB",
		.help = "Free space of the spool's file system below which sent files go, "
			"oldest first. Unsent ones never go."),
	CHANNEL(max_object, "max_object", CONF_SIZE, .def = "1 TiB", .min = 1,
		.max = UINT64_C(1) << 50, .help = "Larger files are refused by name."),
	CHANNEL(fec_k, "fec_k", CONF_U64, .def = "160", .min = 1, .max = 255,
		.help = "Source symbols of a block."),
	CHANNEL(fec_m, "fec_m", CONF_U64, .def = "16", .max = 128,
		.help = "Repair symbols of a full block; 0 sends none at all."),
	CHANNEL(fec_depth, "fec_depth", CONF_U64, .def = "63", .min = 1,
		.max = WIRE_DEPTH_MAX,
		.help = "Blocks interleaved in a window: a burst of depth times fec_m "
			"frames is "
			"ridden out. Memory grows with it on both sides."),
	CHANNEL(flush_ns, "flush", CONF_DURATION, .def = "1 s", .min = NS_MS,
		.max = 60 * NS_S,
		.help = "A window open this long is closed, full or not."),
	CHANNEL(batch_bytes, "batch_bytes", CONF_SIZE, .def = "64 MiB", .min = 64 * KIB,
		.max = 16 * GIB,
		.help = "A batch of small files, with one manifest, ends at this size."),
	CHANNEL(listen, "listen", CONF_END,
		.help = "Where a live channel, which needs it, takes what producers bring: "
			"an address of this host and a port, or the path of a socket; kind "
			"= datagram also takes the address of a group (multicast), kind = "
			"stream the path of a FIFO, after fifo:."),
	CHANNEL(join, "join", CONF_LIST,
		.help = "Interfaces, separated by commas, by which messages to the group "
			"in listen come, which needs them; at most 16. Never the diode "
			"port, nor what stands on it."),
	CHANNEL(socket_mode, "socket_mode", CONF_STRING, .def = "0660",
		.help = "Mode of the path in listen, octal; it belongs to user and its "
			"group."),
	CHANNEL(allow, "allow", CONF_LIST,
		.help = "IPv4 addresses from which messages are taken, separated by "
			"commas; "
			"at most 16. Not set: every one."),
	CHANNEL(max_size, "max_size", CONF_SIZE, .def = "65507", .min = 1,
		.max = WIRE_MESSAGE_MAX,
		.help = "Longer messages are dropped and counted."),
	CHANNEL(max_messages, "max_messages", CONF_U64, .max = 10000000,
		.help = "Most messages a second; what is above is dropped and counted. Not "
			"set: no limit."),
	CHANNEL(max_bps, "max_rate", CONF_RATE, .max = UINT64_C(400000000000),
		.help = "Most bits of messages a second; what is above is dropped and "
			"counted. Not set: no limit."),
	CHANNEL(receive_buffer, "receive_buffer", CONF_SIZE, .def = "4 MiB",
		.min = 64 * KIB, .max = GIB,
		.help = "The kernel's queue before the channel: what comes while we are "
			"not "
			"on the processor waits here, and what it cannot hold is dropped "
			"and "
			"counted. Limited by net.core.rmem_max unless started by root."),
	CHANNEL(close_ns, "close", CONF_DURATION, .def = "10 ms", .min = NS_MS,
		.max = 10 * NS_S,
		.help = "A window of messages is closed, and its repair symbols follow, "
			"this "
			"long after its first message or when it is full."),
	CHANNEL(gather_ns, "gather", CONF_DURATION, .def = "0", .max = NS_S,
		.help = "How long messages may wait to share a frame. 0: a frame leaves as "
			"soon as nothing more waits at the socket."),
	CHANNEL(live_k, "live_k", CONF_U64, .def = "32", .min = 1, .max = 128,
		.help = "Source symbols of a block of a datagram channel."),
	CHANNEL(live_m, "live_m", CONF_U64, .def = "8", .max = 128,
		.help = "Repair symbols of a full block; a shorter one has its share, at "
			"least 2. 0 sends none at all."),
	CHANNEL(refresh_ns, "refresh", CONF_DURATION, .def = "10 s", .min = 100 * NS_MS,
		.max = 3600 * NS_S,
		.help = "A channel of kind state says the value of each key again within "
			"this time, evenly."),
	CHANNEL(max_keys, "max_keys", CONF_U64, .def = "10000", .min = 1, .max = 1000000,
		.help = "Keys of a channel of kind state; updates of further ones are "
			"dropped and counted."),
	CHANNEL(max_table, "max_table", CONF_SIZE, .def = "64 MiB", .min = 64 * KIB,
		.max = 4 * GIB,
		.help = "Bytes of keys and values of a channel of kind state; what finds "
			"no room is dropped and counted."),
	CHANNEL(connections, "connections", CONF_U64, .def = "16", .min = 1,
		.max = STREAM_OPEN_MAX,
		.help = "Producers that a stream channel takes at a time; one more is "
			"turned away and counted. A FIFO is one."),
	CHANNEL(overflow, "overflow", CONF_ENUM, .def = "wait", .names = overflows,
		.help = "What a stream channel does when receive_buffer is full: wait, "
			"and producers wait with it; or drop what they bring meanwhile, "
			"counted, with a gap in each stream."),
};

static const struct conf_section sections[] = {
	{.name = "transmitter",
	 .required = true,
	 .rows = global_rows,
	 .n_rows = KM_COUNT(global_rows),
	 .help = "The daemon and its link."},
	{.name = "channel",
	 .has_arg = true,
	 .offset = offsetof(struct tx_raw, channel),
	 .stride = sizeof(struct tx_raw_channel),
	 .max = WIRE_CHANNELS_MAX,
	 .count_offset = offsetof(struct tx_raw, channels),
	 .arg_offset = offsetof(struct tx_raw_channel, name),
	 .rows = channel_rows,
	 .n_rows = KM_COUNT(channel_rows),
	 .help = "One flow of files or datagrams. There is none by default."},
};

const struct conf_table tx_table = {sections, KM_COUNT(sections)};
