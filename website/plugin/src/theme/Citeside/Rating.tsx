// What the reader thinks of an answer: two buttons, and for a bad answer the reason and a note.

import {useState} from 'react';
import type {Feedback} from './conversation';
import {label, sentence} from './labels';
import type {Label} from './labels';
import {asTrouble} from './useConversation';

const REASONS: Label[] = ['reasonWrong', 'reasonIncomplete', 'reasonVersion', 'reasonSources', 'reasonOther'];

export function Rating({feedback, rate}: {feedback: Feedback; rate(feedback: NonNullable<Feedback>): Promise<void>}) {
  const [form, setForm] = useState(false);
  const [told, setTold] = useState('');
  const send = async (given: NonNullable<Feedback>) => {
    try {
      await rate(given);
      setTold(label('thanks'));
    } catch (error) {
      const {code, detail} = asTrouble(error);
      setTold(sentence(code, detail));
    }
  };
  const rated = (rating: 'up' | 'down') => {
    setForm(rating === 'down');
    void send({rating, reason: null, note: null});
  };
  return (
    <>
      <button type="button" className="citeside-small" aria-pressed={feedback?.rating === 'up'} onClick={() => rated('up')}>
        {label('helpful')}
      </button>
      <button type="button" className="citeside-small" aria-pressed={feedback?.rating === 'down'} onClick={() => rated('down')}>
        {label('notHelpful')}
      </button>
      <span aria-live="polite" className="citeside-muted">
        {told}
      </span>
      {form && (
        <form
          className="citeside-rating"
          onSubmit={(event) => {
            event.preventDefault();
            const data = new FormData(event.currentTarget);
            const given = (name: string) => String(data.get(name) ?? '').trim() || null;
            setForm(false);
            void send({rating: 'down', reason: given('reason'), note: given('note')});
          }}
        >
          <fieldset>
            <legend>{label('reason')}</legend>
            {REASONS.map((reason) => (
              <label key={reason}>
                <input type="radio" name="reason" value={label(reason)} /> {label(reason)}
              </label>
            ))}
          </fieldset>
          <label>
            {label('note')}
            <textarea name="note" rows={2} maxLength={1000} />
          </label>
          <div className="citeside-buttons">
            <button type="submit" className="citeside-button">
              {label('sendFeedback')}
            </button>
            <button type="button" className="citeside-button" onClick={() => setForm(false)}>
              {label('cancel')}
            </button>
          </div>
        </form>
      )}
    </>
  );
}
