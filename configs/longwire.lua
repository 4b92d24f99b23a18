-- SPDX-License-Identifier: MIT
--[[
Wireshark dissector for what Longwire carries inside TLS: units (type:8 length:24, then the body), as src/wire/unit.h says.

    tshark -X lua_script:longwire.lua -o tls.keylog_file:keys.txt -r outer.pcap

TLS connections are known by their ALPN, longwire/1; where the handshake was not captured, "Decode As" knows it for TLS and
TCP ports (-d tls.port==8443,longwire). Units are put together from records and segments. Frames go on to Ethernet or IP, as
the hello of their connection says; where that was not seen, the preference longwire.layer decides, or a look at the frame.
Nothing that is malformed is an error of this script: it is shown, and units end there, because nobody knows where the next
begins. For Wireshark 4.0 and later; since 4.4 it loads no script when root runs it, and does not say so.
]]

local longwire = Proto("longwire", "Longwire")

local HEADER_SIZE, OFFLOAD_SIZE, PROBE_SIZE = 4, 10, 24
local FRAME_MAX, OPTIONAL = 65535 + 22, 0x80
local FRAME, OFFLOAD_FRAME, PROBE = 0x01, 0x02, 0x08

local names = {
	[FRAME] = "frame", [OFFLOAD_FRAME] = "offload frame", [0x03] = "hello", [0x04] = "settings",
	[0x05] = "message", [0x06] = "join", [0x07] = "goodbye", [PROBE] = "probe", [0x09] = "last",
}

-- The shortest and longest body of each type.
local limits = {
	[FRAME] = { 0, FRAME_MAX }, [OFFLOAD_FRAME] = { OFFLOAD_SIZE, FRAME_MAX + OFFLOAD_SIZE },
	[0x03] = { 0, 1024 }, [0x04] = { 0, 65536 }, [0x05] = { 0, 4096 }, [0x06] = { 0, 1024 },
	[0x07] = { 0, 512 }, [PROBE] = { PROBE_SIZE, PROBE_SIZE }, [0x09] = { 0, 0 },
}
local optional_limits = { 0, 4096 }
local is_json = { [0x03] = true, [0x04] = true, [0x06] = true, [0x07] = true }

local gso_names = { [0] = "none", [1] = "TCP over IPv4", [3] = "UDP, as fragments", [4] = "TCP over IPv6", [5] = "UDP" }

local f = {
	type = ProtoField.uint8("longwire.type", "Type", base.HEX, names),
	length = ProtoField.uint24("longwire.length", "Length", base.DEC),
	body = ProtoField.bytes("longwire.body", "Body"),
	checksum = ProtoField.bool("longwire.offload.needs_checksum", "Checksum unfinished", 8, nil, 0x01),
	flags = ProtoField.uint8("longwire.offload.flags", "Flags", base.HEX),
	gso_type = ProtoField.uint8("longwire.offload.gso_type", "Super-frame of", base.DEC, gso_names),
	header_length = ProtoField.uint16("longwire.offload.header_length", "Header length", base.DEC),
	gso_size = ProtoField.uint16("longwire.offload.gso_size", "Segment size", base.DEC),
	start = ProtoField.uint16("longwire.offload.checksum_start", "Checksum start", base.DEC),
	offset = ProtoField.uint16("longwire.offload.checksum_offset", "Checksum offset", base.DEC),
	sent = ProtoField.uint64("longwire.probe.sent", "Sent at (µs, of its own clock)", base.DEC),
	echo = ProtoField.uint64("longwire.probe.echo", "Echo of (µs, of our clock)", base.DEC),
	held = ProtoField.uint64("longwire.probe.held", "Held for (µs)", base.DEC),
	goodbye = ProtoField.string("longwire.goodbye", "Reason"),
}
longwire.fields = f

local e = {
	unit = ProtoExpert.new("longwire.malformed", "Not a unit", expert.group.MALFORMED, expert.severity.ERROR),
	inner = ProtoExpert.new("longwire.inner", "Malformed within", expert.group.MALFORMED, expert.severity.WARN),
	goodbye = ProtoExpert.new("longwire.ended", "The session ends", expert.group.SEQUENCE, expert.severity.NOTE),
}
longwire.experts = e

local layers = { { 1, "As the hello says", 0 }, { 2, "Ethernet", 1 }, { 3, "IP", 2 } }
longwire.prefs.layer = Pref.enum("Layer of frames", 0, "What frames are whose hello was not captured", layers, false)

local stream_field = Field.new("tcp.stream")
local layer_of_stream = {}

function longwire.init()
	layer_of_stream = {}
end

local function stream_number()
	local info = stream_field()
	return info and info.value or -1
end

-- Call a dissector of Wireshark's: what it finds malformed would end this script, too.
local function call(name, range, pinfo, tree)
	if range:len() == 0 then
		return
	end
	local is_done, why = pcall(function()
		Dissector.get(name):call(range:tvb(), pinfo, tree)
	end)
	if not is_done then
		tree:add_proto_expert_info(e.inner, tostring(why):gsub("^.*: ", ""))
	end
end

-- An IP packet says its version; and its length, unless it is a super-frame larger than that can say.
local function looks_like_ip(range)
	local length = range:len()
	local version = length > 0 and range(0, 1):bitfield(0, 4)
	if version == 4 and length >= 20 then
		return range(2, 2):uint() == length
	end
	return version == 6 and length >= 40 and range(4, 2):uint() == length - 40
end

local function is_ip(range)
	local layer = layer_of_stream[stream_number()]
	if layer then
		return layer == "ip"
	end
	if longwire.prefs.layer ~= 0 then
		return longwire.prefs.layer == 2
	end
	return looks_like_ip(range)
end

-- A frame's dissectors take over the addresses and ports of the packet, by which TLS and TCP know the direction of what is
-- still to come: they are put back.
local kept = { "src", "dst", "src_port", "dst_port", "net_src", "net_dst", "dl_src", "dl_dst" }

local function call_frame(name, range, pinfo, tree)
	local before = {}
	for _, key in ipairs(kept) do
		before[key] = pinfo[key]
	end
	call(name, range, pinfo, tree)
	for _, key in ipairs(kept) do
		pcall(function() pinfo[key] = before[key] end)
	end
end

local function dissect_frame(range, pinfo, tree)
	if range:len() == 0 then
		return
	end
	if not is_ip(range) then
		call_frame("eth_withoutfcs", range, pinfo, tree)
	else
		call_frame(range(0, 1):bitfield(0, 4) == 6 and "ipv6" or "ip", range, pinfo, tree)
	end
end

local function dissect_offload(range, tree)
	local node = tree:add(longwire, range, "Offload")
	node:add(f.flags, range(0, 1)):add(f.checksum, range(0, 1))
	node:add(f.gso_type, range(1, 1))
	node:add_le(f.header_length, range(2, 2))
	node:add_le(f.gso_size, range(4, 2))
	node:add_le(f.start, range(6, 2))
	node:add_le(f.offset, range(8, 2))
end

local function dissect_probe(range, tree)
	tree:add(f.sent, range(0, 8))
	tree:add(f.echo, range(8, 8))
	tree:add(f.held, range(16, 8))
end

local function dissect_json(kind, range, pinfo, tree)
	local text = range:string()
	if kind == 0x03 then
		local layer = text:match('"layer"%s*:%s*"(%a+)"')
		if layer == "ethernet" or layer == "ip" then
			layer_of_stream[stream_number()] = layer
		end
	elseif kind == 0x07 then
		local reason = text:match('"text"%s*:%s*"([^"]*)"') or ""
		tree:add(f.goodbye, range, reason)
		tree:add_proto_expert_info(e.goodbye, "The session ends: " .. reason)
	end
	call("json", range, pinfo, tree)
end

local function dissect_body(kind, range, pinfo, tree)
	if kind == FRAME then
		dissect_frame(range, pinfo, tree)
	elseif kind == OFFLOAD_FRAME then
		dissect_offload(range(0, OFFLOAD_SIZE), tree)
		if range:len() > OFFLOAD_SIZE then
			dissect_frame(range(OFFLOAD_SIZE), pinfo, tree)
		end
	elseif kind == PROBE then
		dissect_probe(range, tree)
	elseif range:len() > 0 then
		if is_json[kind] then
			dissect_json(kind, range, pinfo, tree)
		else
			tree:add(f.body, range)
		end
	end
end

-- What is wrong with a header, or nil.
local function fault_of(kind, length)
	local limit = limits[kind] or (kind >= OPTIONAL and optional_limits)
	if not limit then
		return string.format("no unit has type 0x%02x", kind)
	elseif length < limit[1] or length > limit[2] then
		return string.format("a unit of type 0x%02x has %d to %d bytes, not %d", kind, limit[1], limit[2], length)
	end
end

local function title_of(kind, length)
	local name = names[kind] or string.format("optional 0x%02x", kind)
	if kind == FRAME or kind == OFFLOAD_FRAME then
		return string.format("%s %d", name, kind == FRAME and length or length - OFFLOAD_SIZE)
	end
	return name
end

-- One unit at the beginning of the range. Returns its title, or nil where units end.
local function dissect_unit(kind, length, range, pinfo, root)
	local title, fault = title_of(kind, length), fault_of(kind, length)
	local tree = root:add(longwire, range, "Longwire, " .. (fault and "not a unit" or title))
	tree:add(f.type, range(0, 1))
	tree:add(f.length, range(1, 3))
	if fault then
		tree:add_proto_expert_info(e.unit, fault)
		return nil
	end
	if length > 0 and range:len() == HEADER_SIZE + length then
		dissect_body(kind, range(HEADER_SIZE, length), pinfo, tree)
	elseif range:len() > HEADER_SIZE then -- cut by the snap length
		tree:add(f.body, range(HEADER_SIZE))
	end
	return title
end

function longwire.dissector(tvb, pinfo, root)
	local offset, whole, titles = 0, tvb:len(), {}
	local is_cut = whole < tvb:reported_len()

	while offset < whole do
		local left = whole - offset
		if left < HEADER_SIZE then
			if not is_cut then
				pinfo.desegment_offset = offset
				pinfo.desegment_len = DESEGMENT_ONE_MORE_SEGMENT
			end
			break
		end
		local kind, length = tvb(offset, 1):uint(), tvb(offset + 1, 3):uint()
		local size = HEADER_SIZE + length
		if size > left and not is_cut and not fault_of(kind, length) then
			pinfo.desegment_offset = offset
			pinfo.desegment_len = size - left
			break
		end
		local title = dissect_unit(kind, length, tvb(offset, math.min(size, left)), pinfo, root)
		titles[#titles + 1] = title or "malformed"
		if not title then
			break
		end
		offset = offset + size
	end
	if #titles > 0 then
		pinfo.cols.protocol = "Longwire"
		pinfo.cols.info = table.concat(titles, ", ")
	end
	return whole
end

DissectorTable.get("tls.alpn"):add("longwire/1", longwire)
DissectorTable.get("tls.port"):add_for_decode_as(longwire)
DissectorTable.get("tcp.port"):add_for_decode_as(longwire)
