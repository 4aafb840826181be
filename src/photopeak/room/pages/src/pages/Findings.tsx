import { useEffect, useState } from 'preact/hooks'
import { type Answer, type Mark, type Picture, type Vocabulary, get, send } from '../api'
import { type Draft, imageOf } from '../draft'
import { COLOURS } from '../viewer/View'
import { quantity } from '../words'

interface Props {
  draft: Draft
  marks: Mark[]
  chosen: string
  onChoose: (id: string) => void
  vocabulary: Vocabulary | null
  study: number
  /** The images that marks may lie on, and what each is called. */
  planar: Picture[]
  labels: string[]
  cohort: number
  onVerdict: (id: string, state: Mark['state']) => void
  onRemove: () => void
  onDone: () => void
}

export function Findings(props: Props) {
  const { draft, marks, chosen } = props
  const [second, setSecond] = useState(false)
  const mark = marks.find((m) => m.id === chosen)
  const at = (m: Mark) => props.planar.findIndex((p) => p.image === imageOf(m, props.planar))
  const shut = draft.finished
  const change = (id: string, how: Partial<Mark>) => draft.change((doc) => ({ ...doc, marks: doc.marks.map((m) => (m.id === id ? { ...m, ...how } : m)) }), `${id} ${Object.keys(how)}`)
  return (
    <section class="findings">
      <header>
        <h2>{shut ? 'My read, finished' : 'My read'}</h2>
        <span class={`saved ${draft.saved}`} role="status">{shut ? '' : draft.read || draft.saved !== 'saved' ? { saved: 'saved', saving: 'saving …', unsaved: 'not saved yet', failed: 'not saved' }[draft.saved] : ''}</span>
      </header>
      <Question name="metastasis" draft={draft} />
      <Question name="arthritis" draft={draft} />
      <ol class="marks-list" aria-label="Marks">
        {marks.map((m, i) => (
          <li key={m.id} class={`${m.state} ${m.id === chosen ? 'chosen' : ''}`} data-mark={m.id}>
            <button class="mark-row" onClick={() => props.onChoose(m.id)} aria-pressed={m.id === chosen}>
              <i style={{ background: COLOURS[m.finding] }} /> <b>{i + 1}</b>
              <span class="what">{m.site || 'no site'} <small>{m.view.slice(0, m.view === 'posterior' ? 4 : 3)}.{props.planar.length > 1 ? ` ${props.labels[at(m)] ?? 'on an image that is not here'}` : ''}</small></span>
              <small class="verdict">{m.origin === 'network' ? m.state : ''}</small>
            </button>
            {!shut && m.origin === 'network' && (
              <span class="verdicts">
                <button title="Accept (A)" aria-label={`Accept mark ${i + 1}`} onClick={() => props.onVerdict(m.id, 'accepted')}>✓</button>
                <button title="Reject (X)" aria-label={`Reject mark ${i + 1}`} onClick={() => props.onVerdict(m.id, 'rejected')}>✗</button>
              </span>
            )}
          </li>
        ))}
        {marks.length === 0 && <li class="empty">Nothing marked. Choose a tool and draw on a view.</li>}
      </ol>
      {mark && (
        <fieldset class="mark-form" disabled={shut}>
          <label>Finding
            <select value={mark.finding} onChange={(e) => change(mark.id, { finding: e.currentTarget.value })}>
              {props.vocabulary?.findings.map((f) => <option key={f.name} value={f.name}>{f.name}</option>)}
            </select>
          </label>
          <label>Site
            <select value={mark.site} onChange={(e) => change(mark.id, { site: e.currentTarget.value })}>
              <option value="">not named</option>
              {props.vocabulary?.sites.map((s) => <option key={s.name} value={s.name}>{s.name}</option>)}
            </select>
          </label>
          <label class="wide">Comment <input value={mark.comment} maxLength={2000} onInput={(e) => change(mark.id, { comment: e.currentTarget.value })} /></label>
          <Statistics study={props.study} picture={props.planar[at(mark)]} mark={mark} />
          <button type="button" onClick={props.onRemove}>Remove</button>
        </fieldset>
      )}
      <label class="comment">Comment
        <textarea rows={2} disabled={shut} value={draft.document.comment} onInput={(e) => draft.change((doc) => ({ ...doc, comment: e.currentTarget.value }), 'comment')} />
      </label>
      {!shut && <Outlines study={props.study} draft={draft} />}
      {draft.others.length > 0 && <p class="hint">Also read by {draft.others.map((o) => `${o.reader}: metastasis ${o.document.metastasis}, arthritis ${o.document.arthritis}`).join('; ')}</p>}
      {draft.fault && <p class="fault" role="alert">{draft.fault}</p>}
      <footer>
        {!shut && (
          <>
            <button title="Undo (Ctrl Z)" aria-label="Undo" onClick={draft.undo}>↶</button>
            <button title="Redo (Ctrl Y)" aria-label="Redo" onClick={draft.redo}>↷</button>
            {!props.cohort && <label class="inline"><input type="checkbox" checked={second} onChange={(e) => setSecond(e.currentTarget.checked)} /> second reader</label>}
            <button class="primary" disabled={!draft.document.metastasis || !draft.document.arthritis} onClick={() => void draft.finish(second).then((ok) => ok && props.onDone())}>Finish read</button>
          </>
        )}
        {shut && !props.cohort && <button onClick={() => void draft.again()}>Read again</button>}
      </footer>
    </section>
  )
}

/** Segmentations and reports that came with the study, to take their outlines as marks of one's own. */
function Outlines({ study, draft }: { study: number; draft: Draft }) {
  const [there, setThere] = useState<{ sop: string; title: string }[]>([])
  const [said, setSaid] = useState('')
  useEffect(() => {
    get<{ sop: string; title: string }[]>(`/api/studies/${study}/outlines`).then(setThere, () => setThere([]))
  }, [study])
  const take = async (sop: string) => {
    try {
      await draft.begin()
      const { marks, left_out } = await get<{ marks: Mark[]; left_out: string[] }>(`/api/studies/${study}/outlines/${sop}`)
      const have = new Set(draft.document.marks.map((m) => m.id))
      const fresh = marks.filter((m) => !have.has(m.id))
      if (fresh.length) draft.change((doc) => ({ ...doc, marks: [...doc.marks, ...fresh] }))
      setSaid([`${fresh.length} taken`, ...left_out].join('; '))
    } catch (e) {
      setSaid((e as Error).message)
    }
  }
  if (!there.length) return null
  return (
    <details class="outlines">
      <summary>Outlines that came with the study: {there.length}</summary>
      {there.map((s) => <p key={s.sop}>{s.title} <button onClick={() => void take(s.sop)}>Take its outlines</button></p>)}
      {said && <p class="hint" role="status">{said}</p>}
    </details>
  )
}

function Question({ name, draft }: { name: 'metastasis' | 'arthritis'; draft: Draft }) {
  return (
    <div class="question" role="radiogroup" aria-label={`Is there ${name}?`}>
      <span>{name}</span>
      {(['yes', 'no', 'unsure'] as Answer[]).map((a) => (
        <label key={a} class={draft.document[name] === a ? 'on' : ''}>
          <input type="radio" name={name} value={a} checked={draft.document[name] === a} disabled={draft.finished} onChange={() => draft.change((doc) => ({ ...doc, [name]: a }))} />
          {a}
        </label>
      ))}
    </div>
  )
}

interface Said {
  pixels: number
  area_mm2: number
  sum: number
  mean: number
  maximum: number
  unit: string
  to_other_side: number | null
}

/** What the pixels inside hold, as the server counts them. */
function Statistics({ study, picture, mark }: { study: number; picture: Picture | undefined; mark: Mark }) {
  const [said, setSaid] = useState<Said | null>(null)
  const points = JSON.stringify(mark.points_px)
  useEffect(() => {
    if (!picture || picture.manner !== 'planar') return
    const at = Math.max(0, picture.axes.find((a) => a.name === 'view')?.labels.indexOf(mark.view) ?? 0)
    let current = true
    const timer = setTimeout(() => {
      send<Said>('POST', `/api/studies/${study}/statistics`, { picture: picture.number, plane: at, shape: mark.shape, points_px: mark.points_px }).then((s) => current && setSaid(s), () => current && setSaid(null))
    }, 250)
    return () => {
      current = false
      clearTimeout(timer)
    }
  }, [study, picture, mark.id, mark.view, mark.shape, points])
  if (!said) return null
  return (
    <dl class="statistics">
      <dt>area</dt><dd>{(said.area_mm2 / 100).toFixed(1)} cm²</dd>
      <dt>mean</dt><dd>{quantity(said.mean, said.unit)}</dd>
      <dt>max</dt><dd>{quantity(said.maximum, said.unit)}</dd>
      <dt>sum</dt><dd>{quantity(said.sum, said.unit)}</dd>
      {said.to_other_side !== null && <><dt>to other side</dt><dd>{said.to_other_side.toFixed(2)}</dd></>}
    </dl>
  )
}
