import { useState } from 'react'
import { Button, ToggleButton, ToggleButtonGroup } from 'react-aria-components'
import { clock } from './format.ts'
import { Hold, Play } from './icons.tsx'
import type { Pace, Playback, Room } from './room.ts'
import { useWords } from './settings.tsx'

const PACES: readonly Pace[] = [1, 2, 8, 'instant']

/** The controls of a playback: go and halt, any moment by hand, the pace, the end. */
export function Player({ room, playback }: { room: Room; playback: Playback }) {
  const { playback: words } = useWords()
  return (
    <div className="playback" role="group" aria-label={words.label}>
      <PlayButton room={room} playback={playback} />
      <Scrubber room={room} at={playback.at} length={playback.length} />
      <Paces room={room} pace={playback.pace} />
      <Button className="button" onPress={() => room.endPlay()}>
        {words.end}
      </Button>
    </div>
  )
}

export function PlayButton({ room, playback }: { room: Room; playback: Playback | undefined }) {
  const { playback: words } = useWords()
  const playing = playback?.playing ?? false
  return (
    <Button
      className="icon-button play-button"
      aria-label={playing ? words.hold : words.play}
      onPress={() => room.togglePlay()}
    >
      {playing ? <Hold /> : <Play />}
    </Button>
  )
}

interface ScrubberProps {
  room: Room
  at: number
  length: number
  /** What stands at that moment, for who cannot see it. */
  said?: string
}

/** Any moment of the log, by pointer or by keys. */
export function Scrubber({ room, at, length, said }: ScrubberProps) {
  const { playback: words } = useWords()
  const text = `${clock(at)} / ${clock(length)}`
  // The moment is drawn with the next frame; until then the thumb stays where the hand put it.
  const [held, setHeld] = useState<{ at: number; value: number }>()
  const value = held?.at === at ? held.value : at
  return (
    <span className="scrubber">
      <input
        type="range"
        aria-label={words.moment}
        aria-valuetext={said === undefined ? text : `${text}. ${said}`}
        min={0}
        max={Math.max(length, 1)}
        step={Math.max(1, Math.round(length / 400))}
        value={value}
        onChange={(event) => {
          const next = Number(event.target.value)
          setHeld({ at, value: next })
          room.seek(next)
        }}
      />
      {/* Beside the control, which says it: were it a live region, every second would be spoken. */}
      <span className="scrubber-at">{text}</span>
    </span>
  )
}

export function Paces({ room, pace }: { room: Room; pace: Pace | undefined }) {
  const { playback: words } = useWords()
  return (
    <ToggleButtonGroup
      className="segments"
      aria-label={words.speed}
      selectionMode="single"
      disallowEmptySelection
      selectedKeys={pace === undefined ? [] : [String(pace)]}
      onSelectionChange={(keys) => {
        const chosen = PACES.find((one) => String(one) === [...keys][0])
        if (chosen === undefined) return
        // The end at once is wished for now, not when it is next played.
        if (pace === undefined) room.play(chosen)
        else if (chosen === 'instant') room.play('instant')
        else room.setPace(chosen)
      }}
    >
      {PACES.map((one) => (
        <ToggleButton key={one} id={String(one)}>
          {one === 'instant' ? words.instant : `${one}×`}
        </ToggleButton>
      ))}
    </ToggleButtonGroup>
  )
}
