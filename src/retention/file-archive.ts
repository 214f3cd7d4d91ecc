// An archive in a folder: of this machine, or one that is mounted. A file is written beside its place, brought to disk,
// and renamed: it is there whole, or not at all, whatever happens to the machine.

import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { randomHex } from '../core/ports.js'
import type { ArchiveSink } from './archive-sink.js'

/**
 * @example
 * await createEngine({ …, retention: '30 days', archive: fileArchive('/var/lib/cerebelum/archive') })
 */
export function fileArchive(folder: string): ArchiveSink {
  return {
    async put(name, bytes) {
      const path = join(folder, name)
      await makeFolder(dirname(path))
      const beside = `${path}.${randomHex(6)}${UNFINISHED}`
      try {
        await writeDurably(beside, bytes)
        await rename(beside, path)
      } catch (error) {
        await rm(beside, { force: true })
        throw error
      }
      await syncFolder(dirname(path))
    },
    get: (name) => readFile(join(folder, name)),
    async list(prefix) {
      const { names, below } = splitPrefix(prefix)
      const found = await filesBelow(join(folder, below))
      return found.map((name) => `${below}${name}`).filter((name) => name.startsWith(names))
    },
  }
}

/** What a machine that went down in the middle has left. */
const UNFINISHED = '.unfinished'

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** With every folder on the way that was not there, in the folder above it. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made))
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function splitPrefix(prefix: string): { readonly names: string; readonly below: string } {
  return { names: prefix, below: prefix.slice(0, prefix.lastIndexOf('/') + 1) }
}

async function filesBelow(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true })
    return entries.map((name) => name.replaceAll('\\', '/')).filter((name) => !name.endsWith(UNFINISHED))
  } catch (error) {
    if (Object(error).code === 'ENOENT') return []
    throw error
  }
}
