import { sagesOf, type Sage, type View } from '@magi/stream'
import { useCallback, useState } from 'react'
import { Button, ToggleButton, ToggleButtonGroup } from 'react-aria-components'
import { Follow } from './icons.tsx'
import { Lane } from './lane.tsx'
import { useWords } from './settings.tsx'
import { Mark } from './shapes.tsx'
import { useShortcut } from './shortcuts.ts'
import { followAll, useReleased } from './tail.ts'
import type { AllFigures } from './use-figures.ts'
import type { Hands } from './verbs.tsx'

/** Which lane is large, and which one a narrow screen shows. */
export interface Stage {
  enlarged: Sage | undefined
  chosen: Sage
  enlarge: (sage: Sage) => void
  choose: (sage: Sage) => void
}

export function useStage(): Stage {
  const [enlarged, setEnlarged] = useState<Sage>()
  const [chosen, choose] = useState<Sage>('caspar')
  const enlarge = useCallback(
    (sage: Sage) => setEnlarged((old) => (old === sage ? undefined : sage)),
    [],
  )
  return { enlarged, chosen, enlarge, choose }
}

export const scrollOf = (agent: Sage | 'solomon'): HTMLElement | null =>
  document.querySelector(`[data-agent="${agent}"] .lane-scroll`)

/** Brings a lane into sight and gives it the focus, because somebody asked for it. */
export function focusLane(stage: Stage, sage: Sage): void {
  stage.choose(sage)
  // On a narrow screen the lane is there after the next drawing.
  requestAnimationFrame(() => {
    const box = scrollOf(sage)
    box?.focus({ preventScroll: true })
    box?.closest('.lane')?.scrollIntoView({ block: 'nearest' })
  })
}

interface LanesProps {
  view: View
  stage: Stage
  figures: AllFigures
  hands: Hands
  skew: number
}

/** The three lanes: side by side, one enlarged, or on a narrow screen one at a time. */
export function Lanes({ view, stage, figures, hands, skew }: LanesProps) {
  const words = useWords()
  const sages = sagesOf(view)
  const { enlarged, chosen, enlarge, choose } = stage
  const shown = sages.includes(chosen) ? chosen : (sages[0] ?? 'caspar')
  useLaneKeys(sages, stage)
  return (
    <>
      <ToggleButtonGroup
        className="lane-tabs"
        aria-label={words.lane.choose}
        selectionMode="single"
        disallowEmptySelection
        selectedKeys={[shown]}
        onSelectionChange={(keys) => choose([...keys][0] as Sage)}
      >
        {sages.map((sage) => (
          <ToggleButton key={sage} id={sage} data-agent={sage} data-state={view.sages[sage].state}>
            <Mark of={sage} /> {words.sages[sage].name}
          </ToggleButton>
        ))}
      </ToggleButtonGroup>
      <div className="lanes" data-count={sages.length} data-enlarged={enlarged}>
        {sages.map((sage) => {
          const lane = view.sages[sage]
          return (
            <div
              key={sage}
              className="lane-slot"
              data-chosen={sage === shown || undefined}
              data-large={sage === enlarged || undefined}
            >
              <Lane
                sage={sage}
                lane={lane}
                over={view.end !== undefined}
                enlarged={enlarged === sage}
                onEnlarge={enlarge}
                figures={figures.sages[sage]}
                hands={hands}
                skew={lane.state === 'retrying' ? skew : 0}
              />
            </div>
          )
        })}
      </div>
      {view.end === undefined && <FollowAll />}
    </>
  )
}

/** While a text is read further up, one press follows all of them again. */
function FollowAll() {
  const { room: words } = useWords()
  const released = useReleased()
  useShortcut('.', followAll)
  if (released === 0) return null
  return (
    <Button className="follow-all" onPress={followAll}>
      <Follow /> {words.followAll}
    </Button>
  )
}

function useLaneKeys(sages: readonly Sage[], stage: Stage): void {
  const at = (index: number): (() => void) | undefined => {
    const sage = sages[index]
    return sage && (() => focusLane(stage, sage))
  }
  useShortcut('1', at(0))
  useShortcut('2', at(1))
  useShortcut('3', at(2))
  useShortcut('4', () => {
    const box = scrollOf('solomon')
    const strip = document.querySelector<HTMLElement>('.judge')
    ;(box ?? strip)?.focus({ preventScroll: true })
    strip?.scrollIntoView({ block: 'nearest' })
  })
  useShortcut('f', () => {
    const lane = document.activeElement?.closest<HTMLElement>('.lane')
    const focused = sages.find((sage) => sage === lane?.dataset['agent'])
    stage.enlarge(focused ?? stage.enlarged ?? stage.chosen)
  })
}
