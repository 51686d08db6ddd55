/** Holds requests up while it is closed. */
export class Gate {
  #concerns;
  #opened;
  #open = () => {};
  waiting = 0;

  /** It lets everything pass that `concerns` says no to. */
  constructor(concerns) {
    this.#concerns = concerns;
  }

  close() {
    this.#opened ??= new Promise((open) => (this.#open = open));
  }

  open() {
    this.#open();
    this.#opened = undefined;
  }

  async pass(request) {
    if (!this.#opened || !this.#concerns(request)) return;
    this.waiting += 1;
    await this.#opened;
    this.waiting -= 1;
  }
}
