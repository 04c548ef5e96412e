import Crypto
enum Placeholder { static func hash(_ b: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: b)) } }
