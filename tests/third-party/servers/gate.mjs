/** Holds requests while it is closed. */
export class Gate {
  #concerns;
  #opened;
  #open = () => {};
  waiting = 0;

  /** Only requests for which `concerns` returns true are held. */
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
