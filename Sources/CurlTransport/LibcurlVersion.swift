import CCurl

/// The libcurl that this process runs with, which need not be the one that it was built with.
package enum LibcurlVersion {
    /// Such as "7.88.1".
    package static var text: String {
        guard let info = unsafe curl_version_info(CURLVERSION_FIRST), let version = unsafe info.pointee.version else {
            return "unknown"
        }
        return unsafe String(cString: version)
    }
}
