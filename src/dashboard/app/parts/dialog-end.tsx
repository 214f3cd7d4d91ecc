// How a dialog that sends something ends: what went wrong, if anything did, and the two ways out.

export interface DialogEndProps {
  readonly problem?: string
  readonly submit: string
  readonly isDisabled?: boolean
  readonly onClose: () => void
}

export function DialogEnd({ problem = '', submit, isDisabled = false, onClose }: DialogEndProps) {
  return (
    <>
      {problem !== '' && (
        <p class="note-bad" role="alert">
          {problem}
        </p>
      )}
      <div class="feet">
        <button type="button" class="button" onClick={onClose}>
          Never mind
        </button>
        <button type="submit" class="button main" disabled={isDisabled}>
          {submit}
        </button>
      </div>
    </>
  )
}
