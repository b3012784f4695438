// Bytes of an attribute: base64 and zlib.
const unpack=text=>new Response(new Blob([Uint8Array.from(atob(text),c=>c.charCodeAt(0))]).stream()
.pipeThrough(new DecompressionStream('deflate'))).arrayBuffer();
