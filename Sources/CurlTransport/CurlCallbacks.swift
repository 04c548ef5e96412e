// The functions libcurl calls, always on the curl thread and from within one of our calls into libcurl.
// They copy bytes, advance the transfer's state, touch a pipe and return a code. They never call libcurl, never wait.

import CCurl
import Glibc

private func transfer(_ pointer: UnsafeMutableRawPointer) -> Transfer {
    // The loop's live list keeps the transfer alive as long as libcurl can call back for it.
    unsafe Unmanaged<Transfer>.fromOpaque(pointer).takeUnretainedValue()
}

/// One line of a response head or a trailer.
let headerCallback: curl_write_callback = { bytes, size, count, data in
    guard let bytes = unsafe bytes, let data = unsafe data else { return 0 }
    let transfer = unsafe transfer(data)
    let length = size * count
    let line = unsafe UnsafeBufferPointer(
        start: UnsafeRawPointer(bytes).assumingMemoryBound(to: UInt8.self), count: length)
    switch unsafe transfer.parser.take(line, names: &transfer.loop.names) {
    case .more:
        return length
    case .head:
        transfer.completeHead(now: Monotonic.now())
        unsafe transfer.loop.isReady(transfer)
        return length
    case .invalid(let detail):
        transfer.verdict = (.invalidResponse, detail)
        return 0
    }
}

/// Bytes of the response body. All are taken or none.
let writeCallback: curl_write_callback = { bytes, size, count, data in
    guard let bytes = unsafe bytes, let data = unsafe data else { return 0 }
    let transfer = unsafe transfer(data)
    let chunk = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
    switch unsafe transfer.pipe.write(chunk, expected: transfer.expectedLength) {
    case .taken:
        transfer.received += chunk.count
        unsafe transfer.state.bodyAdvanced(now: transfer.loop.now)
        unsafe transfer.loop.isReady(transfer)
        return chunk.count
    case .full:
        transfer.state.readerFilled()
        unsafe transfer.loop.counters.pauses += 1
        return Int(CURL_WRITEFUNC_PAUSE)
    }
}

/// Asks for bytes of the request body.
let readCallback: curl_read_callback = { target, size, count, data in
    guard let target = unsafe target, let data = unsafe data else { return Int(CURL_READFUNC_ABORT) }
    let transfer = unsafe transfer(data)
    if transfer.wasAnsweredEarly {
        // libcurl stops by itself, but not if the answer also closes the connection. With its length declared the cut body
        // is visibly short.
        return 0
    }
    let room = unsafe UnsafeMutableRawBufferPointer(start: target, count: size * count)
    guard case .bytes(let body) = transfer.request.body else { return 0 }
    let length = min(room.count, body.count - transfer.uploadOffset)
    unsafe body.withUnsafeBytes {
        unsafe room.copyMemory(from: .init(rebasing: $0[transfer.uploadOffset..<transfer.uploadOffset + length]))
    }
    transfer.uploaded(length)
    return length
}

/// A connection is ready and the request is about to be sent on it: the first time, or again.
let prereqCallback: curl_prereq_callback = { data, remoteAddress, localAddress, remotePort, localPort in
    guard let data = unsafe data else { return Int32(CURL_PREREQFUNC_ABORT) }
    let transfer = unsafe transfer(data)
    if transfer.purpose == .connection {
        transfer.isConnected = true
        transfer.verdict = (.cancelled, "there is a connection, and that was the question")
        return Int32(CURL_PREREQFUNC_ABORT)
    }
    let key = unsafe ConnectionKey(
        remoteAddress: remoteAddress, localAddress: localAddress, remotePort: remotePort, localPort: localPort)
    if transfer.state.isSent { transfer.forgetSend() }
    transfer.connection = key
    unsafe transfer.loop.sockets.busy(key, user: ObjectIdentifier(transfer))
    transfer.sentAt = Monotonic.now()
    guard transfer.state.willSend(now: transfer.sentAt) else {
        transfer.verdict = (.repeatRefused, "the connection died and the request must not be sent twice")
        return Int32(CURL_PREREQFUNC_ABORT)
    }
    unsafe transfer.loop.watch(transfer)
    unsafe transfer.loop.counters.requestsSent += 1
    return Int32(CURL_PREREQFUNC_OK)
}

/// libcurl's talk, of which only words about streams count. The request itself comes by here, too, and is not looked at.
let debugCallback: curl_debug_callback = { _, kind, bytes, count, data in
    guard kind == CURLINFO_TEXT, let bytes = unsafe bytes, let data = unsafe data else { return 0 }
    let text = unsafe UnsafeRawBufferPointer(start: bytes, count: count)
    guard let line = unsafe StreamNews.Line(text) else { return 0 }
    let transfer = unsafe transfer(data)
    switch line {
    case .opened(let stream): transfer.stream.opened(stream)
    case .refused: transfer.stream.refused()
    case .goAway(let lastStream):
        // Told to whoever happened to read, and about all who share the connection.
        if let connection = transfer.connection { unsafe transfer.loop.connectionLeaves(connection, lastStream) }
    }
    return 0
}

let openSocketCallback: curl_opensocket_callback = { data, _, address in
    guard let data = unsafe data, let address = unsafe address else { return CURL_SOCKET_BAD }
    let transfer = unsafe transfer(data)
    let kind = unsafe address.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = unsafe socket(address.pointee.family, kind, address.pointee.protocol)
    guard descriptor >= 0 else { return CURL_SOCKET_BAD }
    transfer.openedSocket = true
    unsafe transfer.loop.sockets.opened(descriptor)
    unsafe transfer.loop.counters.connectionsOpened += 1
    return descriptor
}

let closeSocketCallback: curl_closesocket_callback = { data, descriptor in
    if let data = unsafe data {
        // The loop frees libcurl's multi handle, and so all its sockets, before it ends itself.
        unsafe Unmanaged<CurlLoop>.fromOpaque(data).takeUnretainedValue().sockets.closed(descriptor)
    }
    return close(descriptor)
}

extension Transfer {
    /// Notes that the next part of the request body is on its way.
    fileprivate func uploaded(_ length: Int) {
        self.uploadOffset += length
        if self.uploadOffset == self.request.uploadLength {
            unsafe self.state.uploadEnded(now: self.loop.now)
        } else {
            unsafe self.state.uploadAdvanced(now: self.loop.now)
        }
        unsafe self.loop.watch(self)
    }
}
