// What a processor can do without any library: end with status 0.
pub fn main() void {}
