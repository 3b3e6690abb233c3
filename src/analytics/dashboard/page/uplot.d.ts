// The server serves the package's own ES module under this name, beside the page's modules.
import uPlot from 'uplot';

export default uPlot;
