// partition = hash(execution_id) mod partition_count: any node finds any execution from its id alone, and the
// partition is the hash shard of every table of an execution on both databases. Changing this function
// orphans every stored execution: never do.

/** FNV-1a (32 bit) over UTF-8, finished with MurmurHash3's fmix32 because FNV's low bits alone spread badly. */
export function partitionOf(executionId: string, partitionCount: number): number {
  let hash = 0x811c9dc5
  for (const byte of encoder.encode(executionId)) {
    hash = Math.imul(hash ^ byte, 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) % partitionCount
}

const encoder = new TextEncoder()
