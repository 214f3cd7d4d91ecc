// Where archives are kept: anything that stores bytes under a name. A bucket of S3 or the like fits by three calls.

export interface ArchiveSink {
  /** Durable once it resolves: then the executions in it are removed. A name is written once, or again with the same bytes. */
  put(name: string, bytes: Uint8Array): Promise<void>
  /** @throws when there is none of that name */
  get(name: string): Promise<Uint8Array>
  /** All names that begin so, in any order. */
  list(prefix: string): Promise<readonly string[]>
}
