// The door for those who run an installation: archives of what was removed.

export { fileArchive } from './retention/file-archive.js'
export { openArchive, type Archive, type ArchivedExecution } from './retention/open-archive.js'
export type { ArchiveSink } from './retention/archive-sink.js'
