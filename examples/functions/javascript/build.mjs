// node build.mjs [FILE]: makes a component of orders.js.

import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { componentize } from '@bytecodealliance/componentize-js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { component } = await componentize({
  sourcePath: here('orders.js'),
  witPath: here('../wit'),
  worldName: 'function',
});
await writeFile(process.argv[2] ?? 'orders.wasm', component);
