// SPDX-License-Identifier: ISC
/*
 * Every size and limit of the wire, in one place. docs/wire.md has a row for
 * each. Nothing here depends on a configuration: a configured value may be
 * smaller, never larger.
 */
#ifndef WIRE_LIMITS_H
#define WIRE_LIMITS_H

#define WIRE_VERSION 1u	    /* the version this code speaks */
#define WIRE_VERSION_MIN 1u /* the oldest it still understands */

/* IEEE Std 802 local experimental EtherType; configurable. */
#define WIRE_ETHERTYPE 0x88B5u
#define WIRE_ETHER_LEN 14u	   /* destination, source, EtherType */
#define WIRE_ETHER_VLAN_LEN 18u	   /* with one 802.1Q tag */
#define WIRE_ETHER_MIN_PAYLOAD 46u /* shorter frames are padded by the NIC */

#define WIRE_ETHERTYPE_IPV4 0x0800u
/* framing = udp: headers of our own between the Ethernet header and the frame. */
#define WIRE_IPV4_LEN 20u
#define WIRE_UDP_LEN 8u
#define WIRE_CARRIER_UDP (WIRE_IPV4_LEN + WIRE_UDP_LEN)
/* Frames of one datagram, or of a train of them that travels as one, in bytes. */
#define WIRE_CARRIER_PAYLOAD_MAX (WIRE_MTU_MAX - WIRE_CARRIER_UDP)

#define WIRE_HEADER_LEN 40u /* clear header */
#define WIRE_AAD_LEN 39u    /* of which authenticated: all but the link id */
#define WIRE_TAG_LEN 16u    /* AES-256-GCM tag */
#define WIRE_OVERHEAD (WIRE_HEADER_LEN + WIRE_TAG_LEN)

/* An MTU counts the bytes after the Ethernet header. 1,280 holds an announce
 * for 16 receivers (1,120 + 40 bytes), in UDP too. */
#define WIRE_MTU_MIN 1280u
#define WIRE_MTU_MAX 65535u
#define WIRE_SYMBOL_MIN 256u
#define WIRE_SYMBOL_MAX (WIRE_MTU_MAX - WIRE_OVERHEAD)

/* FEC: k + M <= 256 (GF(2^8)); index t = ESI * D + block fits 16 bits. */
#define WIRE_FEC_POINTS 256u
#define WIRE_FEC_M_MAX 128u
#define WIRE_DEPTH_MAX 255u
/* Source symbols of a window: D * (256 - M) at M = 0. */
#define WIRE_WINDOW_SYMBOLS_MAX (WIRE_DEPTH_MAX * WIRE_FEC_POINTS) /* 65,280 */

/* Lanes: lane = worker * WIRE_LANE_CLASSES + class. */
#define WIRE_LANE_CLASSES 8u
#define WIRE_LANES_MAX 64u     /* per session: lane numbers 0..63 */
#define WIRE_SEQ_WINDOW 65536u /* replay and accounting window, frames per lane */
#define WIRE_LANE_FRAMES_MAX (UINT64_C(1) << 36) /* then a new session */

#define WIRE_CHANNELS_MAX 64u /* configured channels, control not counted */
#define WIRE_CHANNEL_CONTROL 0u

/* Announce. */
#define WIRE_ANNOUNCE_FIXED 160u
#define WIRE_ANNOUNCE_BOX 56u /* key id 8, wrapped secret 32, tag 16 */
#define WIRE_ANNOUNCE_SIG 64u
#define WIRE_ANNOUNCE_RECEIVERS_MAX 16u
#define WIRE_ANNOUNCE_MIN (WIRE_ANNOUNCE_FIXED + WIRE_ANNOUNCE_BOX + WIRE_ANNOUNCE_SIG)
#define WIRE_ANNOUNCE_MAX                                                                  \
	(WIRE_ANNOUNCE_FIXED + WIRE_ANNOUNCE_RECEIVERS_MAX * WIRE_ANNOUNCE_BOX +           \
	 WIRE_ANNOUNCE_SIG)

/* Test frames: what stands behind their clear header at least. */
#define WIRE_LINKTEST_BODY 120u

/* Names, in bytes. */
#define WIRE_NAME_MAX 255u
#define WIRE_PATH_MAX 1024u

/* Objects and manifests. */
#define WIRE_OBJECT_MAX (UINT64_C(1) << 62)
#define WIRE_BATCH_OBJECTS_MAX 4096u
#define WIRE_MANIFEST_MAX (8u << 20)	    /* text and signature together, bytes */
#define WIRE_TREE_FROM (UINT64_C(64) << 20) /* objects this large take the tree digest */
#define WIRE_TREE_LEAF (UINT64_C(1) << 20)

/* Messages of live channels: the largest UDP datagram over IPv4; bytes of a source note
 * (address and port) for IPv4 and, later, IPv6. */
#define WIRE_MESSAGE_MAX 65507u
#define WIRE_SOURCE_IPV4 6u
#define WIRE_SOURCE_IPV6 18u

#endif
