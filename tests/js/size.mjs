// Prints what the built client costs a page, and fails when it is more than was promised.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const LIMIT = 3584;
const built = new URL('../../token_lifecycle/static/token_lifecycle/client.min.js', import.meta.url);
const size = gzipSync(readFileSync(built)).length;

console.log(`client.min.js: ${size} bytes gzipped, at most ${LIMIT}`);
process.exitCode = size > LIMIT ? 1 : 0;
